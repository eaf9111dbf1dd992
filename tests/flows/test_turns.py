"""One training at a time on a device, whoever runs it and however it ends."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.turns import hold

TRAIN = """
import sys, time
from tasks.turns import hold

print("asks", flush=True)
with hold("planted"):
    print("mine", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """An environment whose locks are not those of this machine."""
    return {**os.environ, "TMPDIR": str(tmp_path)}


def _train(seconds: int, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(seconds)], stdout=subprocess.PIPE, text=True, env=environment
    )


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
    with hold("cpu"), hold("cuda0"):
        assert len(list(tmp_path.glob("*.lock"))) == 2
