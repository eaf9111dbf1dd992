"""Alerts on a real server: each reaches a listener once, a silent run is ended, the listener's address stays secret."""

import http.server
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.environment import PREFECT_DEFAULTS
from flows.up import wait_until_healthy

TOKEN = "planted-3f9a1c"
HEARTBEAT = 6  # in place of thirty


class _Listener(http.server.ThreadingHTTPServer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Ear)

    def alerts_of(self, run: Any) -> list[dict[str, Any]]:
        return [each for each in self.heard if each["run_id"] == str(run)]


class _Ear(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _Listener)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(json.loads(body) | {"path": self.path})
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[_Listener]:
    with _Listener() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The home of a Prefect server with a database of its own, which this process talks to meanwhile."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    late = "PREFECT_SERVER_SERVICES_LATE_RUNS"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {
        **PREFECT_DEFAULTS,
        "HOME": str(tmp_path),
        "PREFECT_API_URL": api,
        f"{late}_AFTER_SECONDS": "1",
        f"{late}_LOOP_SECONDS": "1",
    }
    command = [sys.executable, "-m", "flows.server", "--host", "127.0.0.1", "--port", str(port)]
    with (
        (tmp_path / "server.log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until_healthy(api, server)
            with temporary_settings({PREFECT_API_URL: api}):
                yield tmp_path
        finally:
            server.terminate()


def _wait(true: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _planted(home: Path) -> list[str]:
    """Where the token can be read in the server's database and log."""
    found = [path.name for path in home.glob("*.log") if TOKEN in path.read_text("utf-8")]
    with sqlite3.connect(home / ".prefect" / "prefect.db") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            if any(TOKEN in str(row) for row in database.execute(f'select * from "{table}"')):
                found.append(table)
    return found


@pytest.mark.slow
def test_each_alert_reaches_the_listener_and_a_silent_run_is_ended(home: Path, listener: _Listener) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.events import emit_event
    from prefect.events.worker import EventsWorker
    from prefect.states import Completed, Crashed, Failed, Running, Scheduled

    from flows import alerts
    from flows.events import HELD, REFUSED

    url = f"http://127.0.0.1:{listener.server_port}/{TOKEN}"
    assert set(alerts.apply(webhook=url).values()) == {"created"}
    assert set(alerts.apply(webhook=url).values()) == {"unchanged"}
    assert set(alerts.apply().values()) == {"unchanged"}, "without a listener, the alerts that are there stay"
    short = alerts._end_silent_runs(HEARTBEAT)

    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(flow(name="retrain")(lambda: None))
        deployment = client.create_deployment(flow_id, "nightly")

        def start(state: Any) -> Any:
            run = client.create_flow_run_from_deployment(deployment, state=Scheduled()).id
            client.set_flow_run_state(run, state, force=True)
            return run

        ending = client.read_automations()
        client.update_automation(next(each.id for each in ending if each.name == short.name), short)
        dead, alive, failed, crashed, held, refused, done = (start(Running()) for _ in range(7))
        late = client.create_flow_run_from_deployment(deployment, state=Scheduled()).id

        def related(role: str, kind: str, which: Any, name: str) -> dict[str, str]:
            which = f"prefect.{kind}.{which}"
            return {
                "prefect.resource.id": which,
                "prefect.resource.role": role,
                "prefect.resource.name": name,
            }

        ours = [related("flow", "flow", flow_id, "retrain")]

        def beat(run: Any) -> None:
            emit_event(
                "prefect.flow-run.heartbeat", {"prefect.resource.id": f"prefect.flow-run.{run}"}, related=ours
            )

        for run in (dead, alive, done):
            beat(run)
        client.set_flow_run_state(done, Completed(), force=True)
        client.set_flow_run_state(failed, Failed(message='a "quoted"\nmessage'), force=True)
        client.set_flow_run_state(crashed, Crashed(message="killed"), force=True)
        for event, run in ((HELD, held), (REFUSED, refused)):
            emit_event(
                event,
                {"prefect.resource.id": "matinee.store.here"},
                related=[*ours, related("flow-run", "flow-run", run, "a run")],
                payload={"reason": "Worse by 0.1.", "report": "report.json"},
            )
        killed = time.monotonic()

        def ended() -> bool:
            if time.monotonic() - beaten[0] >= HEARTBEAT:
                beaten[0] += HEARTBEAT
                beat(alive)
            return client.read_flow_run(dead).state_type == "CRASHED"

        beaten = [killed]
        _wait(ended, 120)
        seconds = time.monotonic() - killed
        told = {
            dead: "no heartbeat",
            failed: "failed",
            crashed: "crashed",
            held: "held by the gate",
            late: "late",
        }
        told[refused] = "file set aside"
        _wait(
            lambda: (
                ended()
                and all(
                    alert in [each["alert"] for each in listener.alerts_of(run)]
                    for run, alert in told.items()
                )
            ),
            60,
        )
        _wait(lambda: ended() and time.monotonic() - killed > 30, 60)
        EventsWorker.drain_all(timeout=5)

        heard = {
            # On a busy machine a run may be late before it is set to run here.
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
    assert _planted(home) == []
    assert set(alerts.remove().values()) == {"removed"}
    assert alerts.remove() == {}
