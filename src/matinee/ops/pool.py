"""The work pool, whose template leaves a run no choice of what the worker executes: command, environment, folder.

In Prefect's own template all of them are variables of a run: who may start a run could have the worker run anything.
What our runs need in their environment comes from the worker's (src/matinee/ops/environment.py).
"""

from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from matinee.ops.environment import POOL

# No `env` in the configuration, not even an empty one: Prefect would add to it what a run says.
TEMPLATE: dict[str, Any] = {
    "job_configuration": {"stream_output": True},
    "variables": {"type": "object", "properties": {}, "additionalProperties": False},
}


def settle_pool(client: SyncPrefectClient) -> None:
    """Make the work pool, or give one that is there the closed template."""
    try:
        client.create_work_pool(
            WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=TEMPLATE)
        )
    except ObjectAlreadyExists:
        if client.read_work_pool(POOL).base_job_template != TEMPLATE:
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=TEMPLATE))
