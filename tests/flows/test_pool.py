"""The work pool: no run can set the command of its worker, also on a server that an earlier version set up."""

import asyncio
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.usefixtures("prefect_server")

VARIABLES: list[dict[str, Any]] = [
    {"command": "touch /tmp/planted"},
    {"env": {"LD_PRELOAD": "/tmp/planted.so"}},
    {"env.PYTHONPATH": "/tmp/planted"},
    {"working_dir": "/tmp"},
    {"stream_output": False},
]


def test_a_pool_of_an_earlier_version_is_restricted_and_its_deployments_still_run() -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessWorker

    from matinee.ops.environment import POOL
    from matinee.ops.pool import TEMPLATE, settle_pool

    open_template = ProcessWorker.get_default_base_job_template()
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=open_template))
        flow_id = client.create_flow(flow(name="pooled")(lambda: None))
        before = {"env": {"PREFECT_LOGGING_EXTRA_LOGGERS": "matinee"}}
        client.create_deployment(flow_id, "adhoc", work_pool_name=POOL, job_variables=before)
        settle_pool(client)
        settle_pool(client)
        assert client.read_work_pool(POOL).base_job_template == TEMPLATE
        deployment = client.create_deployment(flow_id, "adhoc", work_pool_name=POOL, job_variables={})
        assert client.create_flow_run_from_deployment(deployment).deployment_id == deployment
        for variables in VARIABLES:
            with pytest.raises(httpx.HTTPStatusError):
                client.create_flow_run_from_deployment(deployment, job_variables=variables)


@pytest.mark.parametrize("variables", VARIABLES)
def test_the_worker_ignores_job_variables_of_a_run(variables: dict[str, Any]) -> None:
    from prefect.workers.process import ProcessJobConfiguration

    from matinee.ops.pool import TEMPLATE

    found = asyncio.run(ProcessJobConfiguration.from_template_and_values(TEMPLATE, variables))
    assert found == ProcessJobConfiguration()
