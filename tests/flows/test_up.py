"""`make up`: scheduled runs start, cancelled runs stop, and no process is left."""

import contextlib
import os
import pty
import select
import signal
import sqlite3
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from running import environment_of, free_port, processes_of, wait_until

_SOCKETS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LONG = {"train": {"epochs": 10_000, "patience": 0}}


def _listened(port: int) -> set[str]:
    """The addresses in hexadecimal on which processes listen at a port."""
    lines = [line.split() for line in "".join(map(Path.read_text, _SOCKETS)).splitlines()]
    local = [line[1].split(":") for line in lines if line[3] == "0A"]
    return {address for address, number in local if int(number, 16) == port}


def _deployment(up: Any, name: str) -> Any:
    return up.ask(f"deployments/name/retrain/{name}")


def _parameters(sample: Path, store: Path, **settings: Any) -> dict[str, Any]:
    return {
        "ratings": [str(sample / "ratings.csv")],
        "titles": str(sample / "movie_titles.csv"),
        "store": str(store),
        "settings": settings,
    }


@pytest.fixture(scope="module")
def every_minute(up: Any, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A deployment with a run every minute."""
    nightly = _deployment(up, "nightly")
    parameters = _parameters(sample, tmp_path_factory.mktemp("minutes"), train={"epochs": 2})
    cron = {"cron": "* * * * *", "timezone": "UTC"}
    due = [{"schedule": cron, "active": True, "parameters": parameters}]
    up.ask(f"deployments/{nightly['id']}/schedules", due)
    return str(nightly["id"])


@pytest.mark.slow
@pytest.mark.usefixtures("every_minute")  # the minutes pass during the test
def test_a_cancelled_run_stops_and_keeps_its_checkpoint(up: Any, sample: Path, tmp_path: Path) -> None:
    body = {"parameters": _parameters(sample, tmp_path, **LONG)}
    run = up.ask(f"deployments/{_deployment(up, 'adhoc')['id']}/create_flow_run", body)["id"]
    wait_until(lambda: list(tmp_path.glob("work/*/fit.safetensors")), 60)
    up.ask(f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
    wait_until(lambda: up.ask(f"flow_runs/{run}")["state_type"] == "CANCELLED", 60)
    tasks = up.ask("task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
    (train,) = (task for task in tasks if task["name"] == "train dot")
    # Not killed: a run that ignores the signal is killed after half a minute, and its task stays `Running`.
    assert "termination signal" in train["state"]["message"]
    assert list(tmp_path.glob("work/*/fit.safetensors"))
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.slow
def test_a_schedule_fires_every_minute(up: Any, every_minute: str) -> None:
    of_schedule = {
        "deployments": {"id": {"any_": [every_minute]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    wait_until(lambda: len(up.ask("flow_runs/filter", of_schedule)) >= 2, 180)
    first, second = up.ask("flow_runs/filter", of_schedule)[:2]
    due = [datetime.fromisoformat(run["expected_start_time"]) for run in (first, second)]
    assert (due[1] - due[0]).total_seconds() == 60
    assert first["auto_scheduled"] and second["auto_scheduled"]


@pytest.mark.slow
def test_make_up_stops_every_process_that_it_started(up: Any, sample: Path, tmp_path: Path) -> None:
    process, home = up.process, up.home
    assert _listened(int(up.url.rpartition(":")[2])) == {"0100007F"}, "127.0.0.1 and no other address"
    adhoc, nightly = (_deployment(up, name) for name in ("adhoc", "nightly"))
    assert {each["name"] for each in up.ask("automations/filter", {})} == {
        "matinee: end runs without heartbeat",
        "matinee: lists for a promoted release",
    }
    (schedule,) = (each for each in nightly["schedules"] if each["slug"] == "nightly")
    assert (schedule["active"], schedule["schedule"]["timezone"]) == (False, "UTC")
    store = tmp_path / "store"
    body = {"parameters": _parameters(sample, store, **LONG)}
    run = up.ask(f"deployments/{adhoc['id']}/create_flow_run", body)
    wait_until(lambda: list(store.glob("work/*/fit.safetensors")), 240)
    assert up.ask(f"flow_runs/{run['id']}")["name"] == "retrain sample0 40.0k dot"
    assert len(processes_of(home)) >= 4  # this command, the server, the worker, the run
    secret = up.password.partition(":")[2]
    assert len(secret) > 20
    assert not [words for words in processes_of(home).values() if secret in " ".join(words)]
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    assert processes_of(home) == {}
    with sqlite3.connect(home / ".prefect" / "prefect.db") as database:
        of_run = database.execute("select state_name from flow_run where id = ?", [run["id"]])
        assert of_run.fetchall() == [("Crashed",)]
    kept = [path for folder in (home, store) for path in folder.rglob("*") if path.is_file()]
    assert [path.name for path in kept if secret.encode() in path.read_bytes()] == ["matinee.password"]
    assert secret not in process.stdout.read()
    assert list(store.glob("work/*/fit.safetensors"))
    assert not list(store.glob("candidates/*/manifest.json"))


@pytest.mark.slow
def test_on_a_terminal_nothing_is_asked(prefect_database: Callable[[Path], Path], tmp_path: Path) -> None:
    """On a terminal, commands of Prefect ask for a profile, or for the name of a pool."""
    prefect_database(tmp_path / ".prefect" / "prefect.db")
    folders = ["--drop", str(tmp_path / "drop"), "--store", str(tmp_path / "store")]
    command = [sys.executable, "-m", "matinee.cli", "up", "--port", str(free_port()), *folders]
    number, terminal = pty.fork()
    if number == 0:
        os.execve(sys.executable, command, environment_of(tmp_path))
    printed = b""
    while b"Worker" not in printed:
        assert select.select([terminal], [], [], 60)[0], printed.decode()
        printed += os.read(terminal, 4096)
    os.write(terminal, b"\x03")  # Ctrl-C
    with contextlib.suppress(OSError):  # nobody writes to it any more
        while more := os.read(terminal, 4096):
            printed += more
    assert os.waitpid(number, 0)[1] == 0
    assert b"The UI is at" in printed and b"All stopped." in printed
    assert processes_of(tmp_path) == {}
