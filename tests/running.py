"""Processes that a test starts: their environment, waiting for what they do, and finding those that are left."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

_Found = TypeVar("_Found")


def wait_until(find: Callable[[], _Found], seconds: float = 60) -> _Found:
    """Wait until something is found that is true, or that is not empty; returns it."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environment_of(home: Path, **more: str) -> dict[str, str]:
    """The environment of a process with this home, and without the settings of Prefect that tests have."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, "HOME": str(home), **more}


def kill_group(process: "subprocess.Popen[Any]") -> None:
    """Kill a process that has its own session, with all processes that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def processes_of(home: Path, mark: str = "") -> dict[int, list[str]]:
    """The words of each process that was started with this home, and with a mark in a variable."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (process / "environ").read_bytes().split(b"\0")
            words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            if f"HOME={home}".encode() in variables and any(mark.encode() in each for each in variables):
                found[int(process.name)] = words
    return found
