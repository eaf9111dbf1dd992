"""The command in a separate process with broken streams, about which Python itself complains at exit."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from matinee.cli.main import main

COMMAND = [sys.executable, "-m", "matinee.cli"]


@pytest.fixture
def unread() -> Iterator[int]:
    """The write end of a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def test_a_pipe_without_a_reader_causes_no_message(unread: int) -> None:
    done = subprocess.run(
        [*COMMAND, "--version"], stdout=unread, stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")


def test_a_full_disk_at_stdout_is_reported_in_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("matinee: The output could not be written to stdout: No space left")
    assert done.stderr.count("\n") == 1


def test_an_error_keeps_its_status_if_stderr_is_broken(unread: int) -> None:
    done = subprocess.run([*COMMAND, "similar"], stdout=unread, stderr=unread, check=False)
    assert done.returncode == 2


def test_closed_streams_count_as_dev_null() -> None:
    shell = f"{sys.executable} -m matinee.cli --version <&- >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", shell], check=False).returncode == 0


def test_services_open_closed_streams_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr("matinee.cli.operations.operate", lambda *_: seen.append(sys.stdout is not None) or 0)
    monkeypatch.setattr("sys.stdout", None)
    assert main(["worker"]) == 0
    assert seen == [True]
