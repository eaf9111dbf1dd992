"""`make up`: a server, a worker and the deployments come up, run a run, and leave nothing behind."""

import json
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONG = {"train": {"epochs": 10_000, "patience": 0}}


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _wait(true: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _left(home: Path) -> list[str]:
    """The command lines of processes that were started with this home."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_it_runs_a_deployment_and_goes_down_with_all_that_it_started(
    up: Any, sample: Path, tmp_path: Path
) -> None:
    process, api, home = up.process, f"{up.url}/api", up.home
    adhoc, nightly = (_ask(f"{api}/deployments/name/retrain/{name}") for name in ("adhoc", "nightly"))
    assert [each["name"] for each in _ask(f"{api}/automations/filter", {})] == [
        "matinee: end runs without heartbeat"
    ]
    assert nightly["schedules"][0]["active"] is False
    assert nightly["schedules"][0]["schedule"]["timezone"] == "UTC"
    store = tmp_path / "store"
    parameters = {
        "ratings": [str(sample / "ratings.csv")],
        "titles": str(sample / "movie_titles.csv"),
        "store": str(store),
        "settings": LONG,
    }
    run = _ask(f"{api}/deployments/{adhoc['id']}/create_flow_run", {"parameters": parameters})
    _wait(lambda: list(store.glob("work/*/fit.safetensors")), 60)
    assert _ask(f"{api}/flow_runs/{run['id']}")["name"] == "retrain sample0 40.0k dot fast"
    assert len(_left(home)) >= 4  # this command, the server, the worker, the run
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    assert _left(home) == []
    with sqlite3.connect(home / ".prefect" / "prefect.db") as database:
        assert database.execute("select state_name from flow_run").fetchall() == [("Crashed",)]
    assert list(store.glob("work/*/fit.safetensors"))
    assert not list(store.glob("candidates/*/manifest.json"))
