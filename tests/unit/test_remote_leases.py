"""Processes that are killed or stopped: what they leave in an object store, and how soon they end."""

import logging
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from backed_up import two_nights
from object_store import Address, ObjectStore, remote_at
from running import wait_until

from matinee.errors import StoreError
from matinee.store.remote import Remote, holders, leases, turns
from matinee.store.remote.address import parse_address
from matinee.store.remote.objects import Objects
from matinee.store.remote.turns import Renewal, turn

_HOLD = """
import sys, time, pathlib
from matinee.store import Store
from matinee.store.remote import remote_of
from matinee.store.remote.turns import turn
there = remote_of(Store.open(pathlib.Path(sys.argv[1])).root)
with there.leases.held(), there.leases.alone(), turn(there.objects):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def killed(remote: Address) -> Remote:
    """A store in which a killed process of this host has left all its marks."""
    there = remote_at(remote("first"))
    words = [sys.executable, "-c", _HOLD, remote("killed")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="Another process is using"), there.leases.alone():
            pass
        process.send_signal(signal.SIGKILL)
    return there


def test_what_a_killed_process_of_this_host_held_is_free_at_once(killed: Remote) -> None:
    started = time.monotonic()
    with killed.leases.alone(), turn(killed.objects):
        pass
    with killed.leases.held():
        assert len(killed.leases.live()) == 1
    assert time.monotonic() - started < 5


def test_what_a_killed_process_of_another_host_held_is_waited_for_and_named(
    killed: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(holders, "_machine", lambda: "another")
    monkeypatch.setattr(turns, "_SILENT_SECONDS", 0.0)
    # Long enough that neither is over before it is looked at, on a busy machine.
    monkeypatch.setattr(turns, "TURN_SECONDS", 5.0)
    monkeypatch.setattr(leases, "DEAD_AFTER", timedelta(seconds=8))
    name = killed.objects.list("running/")[0].key.partition("/")[2].rpartition("-")[0]
    with caplog.at_level(logging.WARNING), killed.leases.alone(), turn(killed.objects):
        pass
    assert [name in line for line in caplog.messages] == [True] * 2
    assert "if it was killed, for at most 8 s." in caplog.messages[1]


def test_a_lease_that_was_renewed_slowly_is_gone_when_its_block_has_ended(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, put = remote_at(remote("first")), Objects.put
    asked, answered, done = threading.Event(), threading.Event(), threading.Event()

    def slow(self: Objects, key: str, data: bytes) -> str | None:
        if threading.current_thread().name != "matinee-lease":
            return put(self, key, data)
        asked.set()
        assert answered.wait(30)
        try:
            return put(self, key, data)
        finally:
            done.set()

    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(turns, "BRIEF_SECONDS", 0.1)
    monkeypatch.setattr(Objects, "put", slow)
    with there.leases.held():
        assert asked.wait(30)
    answered.set()
    assert done.wait(30)
    wait_until(lambda: not there.objects.list("running/"), seconds=5)


def test_a_run_that_begins_while_the_last_one_ends_keeps_its_lease(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, stop = remote_at(remote("first")), Renewal.stop
    with ExitStack() as later:

        def begin_meanwhile(self: Renewal) -> None:
            monkeypatch.setattr(Renewal, "stop", stop)
            later.enter_context(there.leases.held())
            stop(self)

        monkeypatch.setattr(Renewal, "stop", begin_meanwhile)
        with there.leases.held():
            pass
        assert len(there.leases.live()) == 1
    assert not there.leases.live()


def test_a_store_that_a_process_of_another_host_renews_is_refused(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, other = remote_at(remote("first")), leases.RunLeases(remote_at(remote("other")).objects)
    monkeypatch.setattr(holders.Holder, "is_here", False)
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(leases, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(turns, "TURN_SECONDS", 4.0)
    with other.held(), pytest.raises(StoreError, match="A run is using"), there.leases.alone():
        pass
    with (
        turn(there.objects),
        pytest.raises(StoreError, match="Another process is using"),
        turn(there.objects, waits=False),
    ):
        pass


def test_a_command_whose_server_is_gone_is_stopped_at_once(
    remote: Address, object_store: ObjectStore, tmp_path: Path
) -> None:
    there, store = remote_at(f"{remote('first')}-other"), two_nights(tmp_path / "store")
    words = [
        sys.executable,
        "-m",
        "matinee.cli",
        "backup",
        "--store",
        str(store.root),
        "--out",
        remote("first"),
    ]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        prefix = Remote(there.root, Objects(parse_address(remote("first"))))
        wait_until(lambda: process.poll() is not None or prefix.objects.exists("unfinished.json"))
        object_store.stop()
        try:
            time.sleep(1)
            assert process.poll() is None
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=15)
        finally:
            object_store.start()
    assert time.monotonic() - started < 10
    assert (process.returncode, said.count("matinee: Stopped")) == (128 + signal.SIGTERM, 1)
