"""Alerts on a real server: each is sent once, only silent runs are ended, and no secret is exposed."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from alert_listener import Listener
from running import environment_of, free_port, wait_until

from matinee.ops.environment import HEARTBEAT_SECONDS, PREFECT_DEFAULTS
from matinee.ops.up import wait_until_healthy

TOKEN = "planted-3f9a1c"
HEARTBEAT = 6  # instead of thirty


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Server:
    """A Prefect server with a separate database."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        late = "PREFECT_SERVER_SERVICES_LATE_RUNS"
        soon = {f"{late}_AFTER_SECONDS": "1", f"{late}_LOOP_SECONDS": "1"}
        environment = environment_of(self.home, PREFECT_API_URL=self.api, **{**PREFECT_DEFAULTS, **soon})
        command = [
            sys.executable,
            "-m",
            "matinee.cli",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        wait_until_healthy(self.api, self.process)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    """Make this process use a server during the block."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    there = _Server(tmp_path)
    try:
        there.start()
        with temporary_settings({PREFECT_API_URL: there.api}):
            yield there
    finally:
        there.kill()


class _Deployment:
    """Runs of a deployment whose states and heartbeats the test sends."""

    def __init__(self, client: Any) -> None:
        from prefect import flow

        self._client = client
        flow_id = client.create_flow(flow(name="retrain")(lambda: None))
        self._id = client.create_deployment(flow_id, "nightly")
        self.related = [related("flow", "flow", flow_id, "retrain")]

    def due(self) -> Any:
        from prefect.states import Scheduled

        return self._client.create_flow_run_from_deployment(self._id, state=Scheduled()).id

    def running(self) -> Any:
        from prefect.states import Running

        run = self.due()
        self._client.set_flow_run_state(run, Running(), force=True)
        return run

    def beat(self, run: Any) -> None:
        from prefect.events import emit_event

        resource = {"prefect.resource.id": f"prefect.flow-run.{run}"}
        emit_event("prefect.flow-run.heartbeat", resource, related=self.related)


def related(role: str, kind: str, which: Any, name: str) -> dict[str, str]:
    which = f"prefect.{kind}.{which}"
    return {"prefect.resource.id": which, "prefect.resource.role": role, "prefect.resource.name": name}


def _shorten(client: Any) -> None:
    """End runs after three and a half short heartbeats."""
    from matinee.ops import alerts

    short = alerts._end_silent_runs(HEARTBEAT)
    (there,) = (each.id for each in client.read_automations() if each.name == short.name)
    client.update_automation(there, short)


def _planted(home: Path) -> list[str]:
    """The places in the server's database and log that contain the token."""
    found = [path.name for path in home.glob("*.log") if TOKEN in path.read_text("utf-8")]
    with sqlite3.connect(home / ".prefect" / "prefect.db") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            if any(TOKEN in str(row) for row in database.execute(f'select * from "{table}"')):
                found.append(table)
    return found


@pytest.mark.slow
def test_each_alert_reaches_the_listener_and_a_silent_run_is_ended(
    server: _Server, listener: Listener
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.events import emit_event
    from prefect.events.worker import EventsWorker
    from prefect.states import Completed, Crashed, Failed

    from matinee.flows.events import HELD
    from matinee.ops import alerts
    from matinee.tasks.events import REFUSED

    url = f"http://127.0.0.1:{listener.server_port}/{TOKEN}"
    assert set(alerts.apply(webhook=url).values()) == {"created"}
    assert set(alerts.apply(webhook=url).values()) == {"unchanged"}
    assert set(alerts.apply().values()) == {"unchanged"}, "without a listener, the alerts that are there stay"

    with get_client(sync_client=True) as client:
        deployment = _Deployment(client)
        _shorten(client)
        dead, alive, failed, crashed, held, refused, done = (deployment.running() for _ in range(7))
        late = deployment.due()
        for run in (dead, alive, done):
            deployment.beat(run)
        client.set_flow_run_state(done, Completed(), force=True)
        client.set_flow_run_state(failed, Failed(message='a "quoted"\nmessage'), force=True)
        client.set_flow_run_state(crashed, Crashed(message="killed"), force=True)
        for event, run in ((HELD, held), (REFUSED, refused)):
            emit_event(
                event,
                {"prefect.resource.id": "matinee.store.here"},
                related=[*deployment.related, related("flow-run", "flow-run", run, "a run")],
                payload={"reason": "Worse by 0.1.", "report": "report.json"},
            )
        killed = time.monotonic()

        def ended() -> bool:
            if time.monotonic() - beaten[0] >= HEARTBEAT:
                beaten[0] += HEARTBEAT
                deployment.beat(alive)
            return client.read_flow_run(dead).state_type == "CRASHED"

        beaten = [killed]
        wait_until(ended, 120)
        seconds = time.monotonic() - killed
        told = {
            dead: "no heartbeat",
            failed: "failed",
            crashed: "crashed",
            held: "held by the gate",
            late: "late",
        }
        told[refused] = "file set aside"
        wait_until(
            lambda: (
                ended()
                and all(
                    alert in [each["alert"] for each in listener.alerts_of(run)]
                    for run, alert in told.items()
                )
            ),
            60,
        )
        wait_until(lambda: ended() and time.monotonic() - killed > 30, 60)
        EventsWorker.drain_all(timeout=5)

        heard = {
            # On a busy machine, a run can be late before the test starts it.
            name: [
                each["alert"] for each in listener.alerts_of(run) if run == late or each["alert"] != "late"
            ]
            for name, run in (
                ("dead", dead),
                ("failed", failed),
                ("crashed", crashed),
                ("held", held),
                ("refused", refused),
                ("late", late),
            )
        }
        assert heard == {
            "dead": ["no heartbeat"],
            "failed": ["failed"],
            "crashed": ["crashed"],
            "held": ["held by the gate"],
            "refused": ["file set aside"],
            "late": ["late"],
        }
        assert listener.alerts_of(failed)[0]["text"].endswith('. a "quoted"\nmessage')
        assert listener.alerts_of(failed)[0]["url"].endswith(f"/runs/flow-run/{failed}")
        assert "Worse by 0.1." in listener.alerts_of(held)[0]["text"]
        assert {each["path"] for each in listener.heard} == {f"/{TOKEN}"}
        assert {each["alert"] for each in listener.alerts_of(alive)} <= {"late"}, (
            "a healthy run is left alone"
        )
        assert client.read_flow_run(alive).state_type == "RUNNING"
        assert client.read_flow_run(done).state_type == "COMPLETED"
        assert seconds < 5 * HEARTBEAT + 5, "five heartbeats, and the five seconds between two looks"
    assert _planted(server.home) == []
    assert set(alerts.remove().values()) == {"removed"}
    assert alerts.remove() == {}


@pytest.mark.slow
def test_a_run_that_outlives_the_server_is_not_ended(server: _Server) -> None:
    from prefect.client.orchestration import get_client

    from matinee.ops import alerts

    alerts.apply()
    with get_client(sync_client=True) as client:
        deployment = _Deployment(client)
        _shorten(client)
        dead, alive = deployment.running(), deployment.running()
        for run in (dead, alive):
            deployment.beat(run)
        with sqlite3.connect(server.home / ".prefect" / "prefect.db") as database:
            wait_until(
                lambda: database.execute("select count(*) from automation_bucket").fetchone()[0] == 2,
                30,
            )
        over = threading.Event()

        def live() -> None:
            while not over.wait(HEARTBEAT):  # events that cannot be sent are kept
                deployment.beat(alive)

        living = threading.Thread(target=copy_context().run, args=(live,))
        living.start()
        server.kill()
        time.sleep(5 * HEARTBEAT)
        server.start()
        wait_until(lambda: client.read_flow_run(dead).state_type == "CRASHED", 3 * HEARTBEAT_SECONDS)
        over.set()
        living.join()
        assert client.read_flow_run(alive).state_type == "RUNNING"
