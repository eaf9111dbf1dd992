"""A run without a configured Prefect server starts its own, reports its end to it, and leaves no process."""

import io
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from calls import retrain_words
from running import environment_of, processes_of, wait_until

from matinee.cli.main import main
from matinee.ops.up import end_process


def _servers(home: Path) -> list[int]:
    """The processes of a run's own server, with this home."""
    return [number for number, words in processes_of(home).items() if "matinee.ops.temporary_server" in words]


def _port(process: int) -> int:
    """The port that a process listens on; 0 if it does not listen yet."""
    sockets = {str(each.readlink()) for each in Path(f"/proc/{process}/fd").iterdir() if each.is_symlink()}
    for line in Path(f"/proc/{process}/net/tcp").read_text("ascii").splitlines()[1:]:
        (
            _,
            address,
            _,
            state,
            *_,
        ) = words = line.split()
        if state == "0A" and f"socket:[{words[9]}]" in sockets:
            return int(address.split(":")[1], 16)
    return 0


def _status(home: Path, **headers: str) -> int:
    """The status that the run's server returns without a password; 0 while it does not answer."""
    try:
        # A process that the server has just forked has the same command line, and for a moment the same sockets.
        (port,) = {*map(_port, _servers(home))} - {0} or {0}
        address = f"http://127.0.0.1:{port}/api/admin/version"
        urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10).close()
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
    return 200


def test_a_run_ends_with_its_own_server(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "matinee" / "store").mkdir(
        parents=True
    )  # a checkout where the command is called: not imported
    words = retrain_words(sample, tmp_path / "store", "train.epochs=10000", "train.patience=0")
    # Background jobs of a shell ignore the signal, and their children inherit this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        run = subprocess.Popen(
            [sys.executable, "-P", "-m", "matinee.cli", *words],
            cwd=tmp_path,
            env=environment_of(tmp_path),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until(lambda: _servers(tmp_path))
            if number == signal.SIGINT:
                wait_until(lambda: _status(tmp_path) == 401)  # a caller without a password
                assert _status(tmp_path, Host="evil.example") == 403
                assert _status(tmp_path, Origin="http://evil.example") == 403
            if number == signal.SIGINT:  # later, the checkpoint exists from the start
                wait_until(lambda: list(tmp_path.glob("store/work/*/fit.safetensors")))
            os.killpg(run.pid, number)
            assert run.wait(30) == status
        finally:
            end_process(run)
        wait_until(lambda: not _servers(tmp_path))
    with sqlite3.connect(tmp_path / ".prefect" / "prefect.db") as database:
        assert database.execute("select state_name from flow_run").fetchall() == [("Crashed",)]


def test_a_server_that_is_not_needed_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from matinee.ops import server, temporary_server

    monkeypatch.setattr(temporary_server, "end_with_parent", lambda _: None)
    monkeypatch.setattr(temporary_server.gc, "disable", lambda: None)
    monkeypatch.setattr(server, "prepare", lambda _: pytest.fail("the server was started"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))  # the command has ended
    temporary_server._serve(os.getpid())


def test_a_wrong_call_leaves_no_server_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from matinee.cli import retrain_verb

    class Warm:
        ended = False

        def end(self) -> None:
            self.ended = True

    warm = Warm()
    monkeypatch.setattr(retrain_verb, "warm_up", lambda **_: warm)
    words = ["retrain", "--ratings", "none.csv", "--titles", "none.csv", "--store", str(tmp_path / "store")]
    assert main(words) == 2
    assert warm.ended
