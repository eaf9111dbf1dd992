"""Processes that a test starts: waiting for what they do, and finding those that are left."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_Found = TypeVar("_Found")


def wait_until(find: Callable[[], _Found], seconds: float = 60) -> _Found:
    """Wait until something is found that is true, or that is not empty; returns it."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found


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
