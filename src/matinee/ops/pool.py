"""The work pool. Its template fixes what the worker executes: a run can't set command, environment or folder.

In Prefect's default template these are variables of a run, so anyone who can start a run could execute anything. Runs
get their environment from the worker (src/matinee/ops/environment.py).
"""

from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from matinee.ops.environment import POOL

# The configuration has no `env`, not even an empty one: Prefect would add the environment of the run to it.
TEMPLATE: dict[str, Any] = {
    "job_configuration": {"stream_output": True},
    "variables": {"type": "object", "properties": {}, "additionalProperties": False},
}


def settle_pool(client: SyncPrefectClient) -> None:
    """Create the work pool, or replace the template of an existing one."""
    try:
        client.create_work_pool(
            WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=TEMPLATE)
        )
    except ObjectAlreadyExists:
        if client.read_work_pool(POOL).base_job_template != TEMPLATE:
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=TEMPLATE))
