"""The drills of scheduled runs: kill the worker, the flow and the server, and check that the next run continues."""

import contextlib
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drill_resume import check_same, load_champion

from matinee.ops.environment import PREFECT_DEFAULTS
from matinee.ops.up import POOL, ROOT, wait_until_healthy

sys.path.insert(0, str(Path(__file__).parents[1]))
from running import environment_of, processes_of, wait_until

# Some seconds of training, so a fault occurs in it.
SETTINGS = {"train": {"epochs": 6_000, "patience": 0, "device": "cpu"}}
FIVE_HEARTBEATS = 150
# A run takes half a minute, and many times that on a busy machine.
LONGEST = 900


@dataclass
class Site:
    """A Prefect server and a worker, each in a separate process group."""

    data: Path
    root: Path
    port: int
    more: dict[str, str] = field(default_factory=dict)  # environment of all started processes
    settings: dict[str, Any] = field(default_factory=lambda: SETTINGS)
    running: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        return {**environment_of(self.root), **PREFECT_DEFAULTS, "PREFECT_API_URL": self.api, **self.more}

    def start_server(self) -> None:
        self.start("server", "--host", "127.0.0.1", "--port", str(self.port))
        wait_until_healthy(self.api, self.running["server"])

    def start_worker(self) -> None:
        self.start("worker", "--pool", POOL, "--type", "process")

    def start(self, name: str, *words: str) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "matinee.cli", name, *words],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def call(self, *words: str) -> None:
        command = [sys.executable, "-m", "matinee.cli", *words]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True)

    def end(self, name: str, number: signal.Signals) -> float:
        """Send a signal to one process, and wait for its end; returns the seconds."""
        began = time.monotonic()
        self.running[name].send_signal(number)
        wait_until(lambda: self.running[name].poll() is not None, LONGEST / 3)
        return time.monotonic() - began

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}/{path}", data, {"Content-Type": "application/json"})
        for _ in range(10):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503:  # SQLite was locked, so nothing happened
                    raise
                time.sleep(1)
        raise AssertionError(f"{path}: the server is too busy")

    def start_run(self, store: Path) -> str:
        """Create a run of the deployment for the worker."""
        deployment = self.ask("deployments/name/retrain/adhoc")["id"]
        parameters = {
            "ratings": [str(self.data / "ratings.csv")],
            "titles": str(self.data / "movie_titles.csv"),
            "store": str(store),
            "settings": self.settings,
        }
        return str(self.ask(f"deployments/{deployment}/create_flow_run", {"parameters": parameters})["id"])

    def wait(self, run: str, *, seconds: float) -> str:
        """Wait until a run is over; returns the type of its state."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                state = str(self.ask(f"flow_runs/{run}")["state_type"])
                if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                    return state
            assert time.monotonic() < deadline, f"run {run} did not end in {seconds} s"
            time.sleep(0.5)

    def told(self, run: str) -> str:
        """The state messages of a run, and the output of the worker."""
        message = self.ask(f"flow_runs/{run}")["state"]["message"]
        return f"{message}\n{(self.root / 'worker.log').read_text('utf-8')[-3000:]}"

    def train(self, store: Path) -> str:
        """Start a run and wait for its second checkpoint."""
        run = self.start_run(store)
        wait_until(lambda: list(store.glob("work/*/*.safetensors")), LONGEST)
        time.sleep(2)
        return run

    def close(self) -> None:
        for name in ("worker", "server"):
            if name in self.running and self.running[name].poll() is None:
                with contextlib.suppress(AssertionError):
                    self.end(name, signal.SIGTERM)
        for process in processes_of(self.root):
            os.kill(process, signal.SIGKILL)


def worker_killed(site: Site, store: Path) -> str:
    """kill -9 of the worker"""
    run = site.train(store)
    site.end("worker", signal.SIGKILL)
    state = site.wait(run, seconds=LONGEST)
    wait_until(lambda: not processes_of(site.root, run), 120)  # no process runs in parallel to the next run
    site.start_worker()
    return f"the run ends as {state.title()}"


def worker_ended(site: Site, store: Path) -> str:
    """SIGTERM to the worker"""
    run = site.train(store)
    seconds = site.end("worker", signal.SIGTERM)
    print(f"the worker ended {seconds:.0f} s after SIGTERM", flush=True)
    wait_until(lambda: not processes_of(site.root, run), FIVE_HEARTBEATS)
    state = site.wait(run, seconds=FIVE_HEARTBEATS)
    assert state == "CRASHED", state
    site.start_worker()
    return "the worker ends the run as Crashed"


def flow_killed(site: Site, store: Path) -> str:
    """kill -9 of the flow"""
    run = site.train(store)
    for process in processes_of(site.root, run):
        os.kill(process, signal.SIGKILL)
    state = site.wait(run, seconds=FIVE_HEARTBEATS)
    assert state == "CRASHED", state
    return "the worker ends the run as Crashed"


def worker_and_flow_killed(site: Site, store: Path) -> str:
    """kill -9 of worker and flow"""
    run = site.train(store)
    site.running["worker"].kill()
    for process in processes_of(site.root, run):
        os.kill(process, signal.SIGKILL)
    site.running["worker"].wait()
    killed = time.monotonic()
    site.start_worker()
    state = site.wait(run, seconds=FIVE_HEARTBEATS + 30)
    seconds = time.monotonic() - killed
    assert state == "CRASHED", state
    assert seconds <= FIVE_HEARTBEATS, seconds
    return f"the server ends the run as Crashed after {seconds:.0f} s"


def server_killed(site: Site, store: Path) -> str:
    """kill -9 of the server for ten seconds"""
    run = site.train(store)
    site.end("server", signal.SIGKILL)
    time.sleep(10)
    site.start_server()
    state = site.wait(run, seconds=LONGEST)
    return f"the run ends as {state.title()}"


FAULTS: list[Callable[[Site, Path], str]] = [
    worker_and_flow_killed,
    server_killed,
    flow_killed,
    worker_killed,
    worker_ended,
]


@contextlib.contextmanager
def open_site(there: Site) -> Iterator[Site]:
    """Server, deployments, automations and worker during the block."""
    there.root.mkdir()
    try:
        there.start_server()
        drop, store = there.root / "drop", there.root / "store"
        there.call("up", "--deploy", "--drop", str(drop), "--store", str(store))
        there.start_worker()
        yield there
    finally:
        there.close()


def drill(
    data: Path, root: Path, port: int, faults: list[Callable[[Site, Path], str]]
) -> Iterator[tuple[str, str, float]]:
    """Run each fault on a new store, then the next run; yields the fault, the observation and the seconds.

    Raises AssertionError if the next run does not end like an undisturbed run.
    """
    with open_site(Site(data, root, port)) as there:
        whole = root / "undisturbed"
        assert there.wait(there.start_run(whole), seconds=LONGEST) == "COMPLETED"
        for fault in faults:
            store = root / fault.__name__
            started = time.monotonic()
            seen = fault(there, store)
            state = there.wait(there.start_run(store), seconds=LONGEST)
            assert state == "COMPLETED", f"{fault.__name__}: the next run ends as {state}"
            load_champion(store)
            check_same(store, whole, after=fault.__name__)
            yield inspect.getdoc(fault) or fault.__name__, seen, time.monotonic() - started
            shutil.rmtree(store)
