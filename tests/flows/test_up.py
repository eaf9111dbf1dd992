"""`make up`: a server, a worker and the deployments come up, run a run, and leave nothing behind."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LONG = {"train": {"epochs": 10_000, "patience": 0}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of its own, and with it a Prefect database; its path marks every process that is started."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def up(home: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The running command and the API's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-m", "flows.up", "--port", str(port)]
    with subprocess.Popen(
        command,
        env={**environment, "HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "The UI is at" in line:
                break
        assert f"http://127.0.0.1:{port}" in said[-1], said
        yield process, f"http://127.0.0.1:{port}/api"
        process.send_signal(signal.SIGTERM)


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
    up: tuple["subprocess.Popen[str]", str], home: Path, sample: Path, tmp_path: Path
) -> None:
    process, api = up
    adhoc, nightly = (_ask(f"{api}/deployments/name/retrain/{name}") for name in ("adhoc", "nightly"))
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
