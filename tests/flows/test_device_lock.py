"""Only one training at a time uses a device, also after a training was killed."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from matinee.train import device_lock
from matinee.train.device_lock import hold, private_folder

# The module alone: its package imports the training code, which takes seconds.
TRAIN = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("device_lock", sys.argv[2])
device_lock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(device_lock)

print("asks", flush=True)
with device_lock.hold("planted"):
    print("mine", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """An environment with separate locks, not those of this machine."""
    return {**os.environ, "TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": ""}


def _train(seconds: int, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRAIN, str(seconds), device_lock.__file__]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_second_training_waits_until_the_first_is_gone(elsewhere: dict[str, str]) -> None:
    with _train(60, elsewhere) as first:
        assert first.stdout is not None
        assert [first.stdout.readline() for _ in range(2)] == ["asks\n", "mine\n"]
        with _train(0, elsewhere) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "asks\n"
            assert not select.select([second.stdout], [], [], 0.5)[0]
            first.send_signal(signal.SIGKILL)
            assert second.stdout.readline() == "mine\n"


def test_devices_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with hold("cpu"), hold("cuda0"):
        assert len(list(tmp_path.glob("*.lock"))) == 2


def test_locks_are_in_a_folder_that_no_other_user_can_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session, shared = tmp_path / "session", tmp_path / "shared"
    session.mkdir(mode=0o700)
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    ours = shared / f"matinee-{os.getuid()}"
    assert private_folder() == ours, "a service of this user, which has no session, finds the same folder"
    assert ours.stat().st_mode & 0o777 == 0o700
    ours.chmod(0o755)
    assert private_folder() == session
    ours.chmod(0o700)
    (shared / "link").symlink_to(session)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(shared / "link"))
    assert private_folder() == ours
    ours.rmdir()
    ours.symlink_to(session)  # by another user who can create this name
    assert private_folder() is None
    with hold("cpu"), hold("cpu"):  # no training waits for it
        assert list(session.iterdir()) == []
    assert "not a folder that only this user can use" in caplog.text
