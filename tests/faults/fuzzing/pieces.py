"""Runs pieces of the cases of a kind in separate processes, one per core at a time.

The processes are forked from one that has imported all modules but computed nothing, because libraries with threads,
such as polars, must start them after the fork. If a process dies, another continues after its case.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Modules that the program imports on demand. Not every machine has all of them.
_LATE = (
    "duckdb",
    "hypothesis",
    "matplotlib.backends.backend_agg",
    "pandera.backends.polars.register",
    "pandera.strategies",
    "pyarrow.dataset",
    "sklearn.isotonic",
    "torch",
)
_APART = ("flows", "tasks", "__main__")  # verbs of Prefect, which no case runs


@dataclass(frozen=True)
class Piece:
    """Cases of one kind: from `first` to `last`, without `last`."""

    kind: str
    first: int
    last: int


@dataclass
class Ended:
    """A process that has ended: its output, its last case, and its status (0 if it ran all cases)."""

    piece: Piece
    lines: list[dict[str, Any]]
    errors: str
    number: int
    status: int


def preload() -> None:
    """Import everything that cases can need, so no process has to."""
    import matinee

    modules = [found.name for found in pkgutil.walk_packages(matinee.__path__, "matinee.")]
    for name in (*_LATE, *modules):
        if not set(name.split(".")) & set(_APART):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    threads = {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
    assert "polars-0" not in threads, (
        "an import computes with polars: each forked process would wait for ever"
    )


def run(
    pieces: list[Piece],
    work: Callable[[Piece, Path], None],
    *,
    workers: int,
    scratch: Path,
    deadline: float | None = None,
) -> Iterator[Ended]:
    """Run pieces in processes, and yield each ended process; the cases after a dead process are run too.

    `work` prints one JSON object per line, and writes the number of its case to the file `number` of its folder. No
    piece starts after the deadline.
    """
    waiting, running = pieces[::-1], {}
    try:
        while running or (waiting and not is_past(deadline)):
            while waiting and len(running) < workers and not is_past(deadline):
                piece, place = waiting.pop(), Path(tempfile.mkdtemp(prefix="worker-", dir=scratch))
                running[forked(lambda piece=piece, place=place: work(piece, place), place)] = piece, place
            process, state = os.wait()
            piece, place = running.pop(process)
            ended = _ended(piece, place, os.waitstatus_to_exitcode(state))
            shutil.rmtree(place)
            if ended.status and ended.number + 1 < piece.last:
                waiting.append(Piece(piece.kind, ended.number + 1, piece.last))
            yield ended
    finally:
        for process in running:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def forked(work: Callable[[], None], place: Path) -> int:
    """Start a process for some work; returns its id. Its output goes to the files `out` and `err` of a folder."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        for handle, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT), handle)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - its parent shall see any
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _ended(piece: Piece, place: Path, status: int) -> Ended:
    progress = place / "number"
    lines = [json.loads(line) for line in (place / "out").read_text("utf-8", "replace").splitlines()]
    number = int(progress.read_text() or piece.first) if progress.exists() else piece.first
    return Ended(piece, lines, (place / "err").read_text("utf-8", "replace"), number, status)


def cut(kinds: list[str], *, first: int, cases: int, size: int) -> list[Piece]:
    """The cases of some kinds, in pieces of equal size."""
    last = first + cases
    return [
        Piece(kind, start, min(start + size, last)) for kind in kinds for start in range(first, last, size)
    ]


def is_past(deadline: float | None) -> bool:
    """Whether a time of the monotonic clock, which all processes share, has passed."""
    return deadline is not None and time.monotonic() >= deadline
