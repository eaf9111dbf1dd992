"""Some cases of a kind in a process of their own, as many at a time as there are cores.

The processes are forked from one that has imported what the program imports but computed nothing: libraries that keep
threads, as polars does, start theirs after the fork. Where a process dies, another goes on behind its case.
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

# What the program imports only when it is needed; not all of it is everywhere.
_LATE = (
    "hypothesis",
    "matplotlib.backends.backend_agg",
    "pandera.backends.polars.register",
    "pandera.strategies",
    "pyarrow.dataset",
    "sklearn.isotonic",
    "torch",
)
_APART = ("flows", "tasks", "__main__")  # those of Prefect: nothing here runs it


@dataclass(frozen=True)
class Piece:
    """Cases of one kind: from `first` up to, not including, `last`."""

    kind: str
    first: int
    last: int


@dataclass
class Ended:
    """A process that has ended: what it wrote, the case that it came to, and its status (0 when it did all)."""

    piece: Piece
    lines: list[dict[str, Any]]
    errors: str
    number: int
    status: int


def preload() -> None:
    """Import what cases may need, so that no process has to."""
    import matinee

    modules = [found.name for found in pkgutil.walk_packages(matinee.__path__, "matinee.")]
    for name in (*_LATE, *modules):
        if not set(name.split(".")) & set(_APART):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def run(
    pieces: list[Piece],
    work: Callable[[Piece, Path], None],
    *,
    workers: int,
    scratch: Path,
    deadline: float | None = None,
) -> Iterator[Ended]:
    """Do the pieces in processes, and tell of each that has ended; what one that died left over is done as well.

    `work` prints one JSON object a line, and writes the number of its case to the file `number` of the folder it gets.
    None begins after the deadline.
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
    """The number of a new process that does something; what it says goes to the files `out` and `err` of a folder."""
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
    """The cases of some kinds in pieces of the same size."""
    last = first + cases
    return [
        Piece(kind, start, min(start + size, last)) for kind in kinds for start in range(first, last, size)
    ]


def is_past(deadline: float | None) -> bool:
    """Whether a time of the monotonic clock, which all processes share, has come."""
    return deadline is not None and time.monotonic() >= deadline
