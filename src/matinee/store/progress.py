"""The progress of a step: the step reports it here, and the command line or a task shows it.

A step calls `begin`, and then `advance`, `reach` or `follow`. Outside of `watched`, the calls do nothing. Inside, they
change a few numbers, which another thread reads and shows. A step never waits for that thread, and no digest has the
calls (`matinee.store.source_code`): an argument of a call must have no effect.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import IO, Final, Literal

Unit = Literal["", "bytes", "rows", "ratings", "users", "files", "folders"]


@dataclass(frozen=True)
class Progress:
    """One point of a fit: within an epoch (`valid_rmse` is None) or at its end."""

    stage: str  # "fit", "refit" once the best epoch is known, or what the ranking model is at
    epoch: int  # from 1
    epochs: int
    rows_done: int  # of this epoch
    rows: int
    rows_per_second: float | None  # None where the fit does not go by rows
    train_rmse: float | None
    valid_rmse: float | None
    best_rmse: float | None
    seconds_left: float


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """A listener that ignores all points."""


@dataclass(frozen=True)
class Amount:
    """How far a piece of work is.

    Attributes:
        what: The work, such as "reading ratings".
        done: How much is done.
        total: How much there is; None if that is not known.
        unit: Of both; empty if they are shares.
        facts: Figures to show with it, such as the error of a fit.
        began: `time.monotonic` when it began.
    """

    what: str
    done: float
    total: float | None
    unit: Unit
    facts: str
    began: float

    @property
    def share(self) -> float | None:
        """The share that is done, from 0 to 1; None if the total is not known."""
        return None if not self.total else min(max(self.done / self.total, 0.0), 1.0)


class Work:
    """What is being done now. Several threads may write and read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = Amount("", 0, None, "", "", time.monotonic())
        self._file: IO[bytes] | None = None
        self._size = 0
        self.heading = ""  # of a piece of work that has parts, such as "trial 3 (0 to 29)"

    def begin(self, what: str, total: float | None, unit: Unit) -> None:
        """Begin a piece of work; the one before has ended."""
        with self._lock:
            self._file = None
            self._now = Amount(what, 0, total, unit, "", time.monotonic())

    def advance(self, amount: float) -> None:
        """Add to what is done."""
        with self._lock:
            self._now = replace(self._now, done=self._now.done + amount)

    def reach(self, done: float) -> None:
        """Set what is done."""
        with self._lock:
            self._file = None
            self._now = replace(self._now, done=done)

    def part(self, facts: str) -> None:
        """Show a part of the work, if its total is not known."""
        with self._lock:
            if self._now.total is None:
                self._now = replace(self._now, facts=facts)

    def follow(self, file: IO[bytes], size: int) -> None:
        """Add the position of a file that is being read to what is done; that of the file before becomes its size."""
        with self._lock:
            if self._now.total is None:  # only the heads of files are read
                return
            done = self._now.done + (self._size if self._file is not None else 0)
            self._now = replace(self._now, done=done)
            self._file, self._size = getattr(file, "raw", file), size

    def point(self, point: Progress) -> None:
        """Show a point of a fit; each stage of it is a piece of work."""
        what = f"{point.stage} {point.epoch}/{point.epochs}" if point.epochs > 1 else point.stage
        unit: Unit = "" if point.rows_per_second is None else "ratings"
        errors = (("train", point.train_rmse), ("valid", point.valid_rmse))
        facts = "  ".join(f"{name} RMSE {value:.4f}" for name, value in errors if value is not None)
        done, total = (point.epoch - 1) * point.rows + point.rows_done, point.epochs * point.rows
        with self._lock:
            same = self._now.what.partition(" ")[0] == point.stage and done >= self._now.done
            began = self._now.began if same else time.monotonic()
            self._now = Amount(what, done, total, unit, facts, began)
            self._file = None

    def now(self) -> Amount:
        """What is done at this moment."""
        with self._lock:
            found, file = self._now, self._file
            if file is None:
                return found
            try:
                return replace(found, done=found.done + min(file.tell(), self._size))
            except (OSError, ValueError):  # it is closed: it has been read
                return replace(found, done=found.done + self._size)


_WORK: Final[ContextVar[Work | None]] = ContextVar("matinee_work", default=None)


@contextlib.contextmanager
def watched(work: Work) -> Iterator[Work]:
    """During the block, steps of this context report to `work`. Other threads have contexts of their own."""
    token = _WORK.set(work)
    try:
        yield work
    finally:
        _WORK.reset(token)


def watching() -> Work | None:
    """The work of this context; None outside of `watched`."""
    return _WORK.get()


def begin(what: str, *, total: float | None = None, unit: Unit = "") -> None:
    """Begin a piece of work.

    Args:
        what: Two or three words, such as "reading ratings".
        total: How much there is to do; None if that is not known.
        unit: Of the total.
    """
    if (work := _WORK.get()) is not None:
        work.begin(what, total, unit)


def advance(amount: float = 1) -> None:
    """Add to what is done; a few times per second are enough."""
    if (work := _WORK.get()) is not None:
        work.advance(amount)


def reach(done: float) -> None:
    """Set what is done."""
    if (work := _WORK.get()) is not None:
        work.reach(done)


def add_unplanned(amount: float) -> None:
    """Add to what is done, if the piece of work has no total: checksums of files that are read again do not count."""
    if (work := _WORK.get()) is not None and work.now().total is None:
        work.advance(amount)


def follow(file: IO[bytes], size: int) -> None:
    """Let the position of an open file be what is done of it: nothing needs to be counted while it is read.

    It counts only if the piece of work has a total.

    Args:
        file: A regular file. It may be closed at any time.
        size: Its bytes.
    """
    if (work := _WORK.get()) is not None:
        work.follow(file, size)


def part(name: str, done: int, total: int) -> None:
    """Show a part of a piece of work whose total is not known, such as the iterations of a fit."""
    if (work := _WORK.get()) is not None:
        work.part(f"{name} {done} of {total}")


def set_heading(heading: str) -> None:
    """Say what the pieces of work that follow are part of, such as "trial 3 (0 to 29)"."""
    if (work := _WORK.get()) is not None:
        work.heading = heading


def report(point: Progress) -> None:
    """A listener of fits that reports each point as progress."""
    if (work := _WORK.get()) is not None:
        work.point(point)
