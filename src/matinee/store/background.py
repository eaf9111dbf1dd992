"""A second piece of work during a step, on another thread."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import TypeVar, cast

from matinee.store.progress import Unit, Work, watched

T = TypeVar("T")
R = TypeVar("R")


class AbandonedError(Exception):
    """The caller no longer needs the result of the work."""


class _CancellableWork(Work):
    """The progress of the second piece of work; it ends where it reports, once it is abandoned. It is not shown."""

    def __init__(self) -> None:
        super().__init__()
        self.abandoned = Event()

    def begin(self, what: str, total: float | None, unit: Unit) -> None:
        """Begin a piece of work; raises AbandonedError."""
        self._check()
        super().begin(what, total, unit)

    def part(self, facts: str) -> None:
        """Show a part; raises AbandonedError."""
        self._check()
        super().part(facts)

    def advance(self, amount: float) -> None:
        """Add to what is done; raises AbandonedError."""
        self._check()
        super().advance(amount)

    def _check(self) -> None:
        if self.abandoned.is_set():
            raise AbandonedError


@contextlib.contextmanager
def in_background(work: Callable[[], R]) -> Iterator[Callable[[], R]]:
    """Do a second piece of work during the block.

    Args:
        work: Long pieces of it report their parts (`matinee.store.progress.part`): after an error in the block, or
            Ctrl-C, the work ends there.

    Yields:
        A function that waits for the work and returns its result, or raises its error.

    Examples:
        >>> with in_background(lambda: 6 * 7) as answer:
        ...     print("asking")
        ...     answer()
        asking
        42
    """
    work_shown = _CancellableWork()

    def run() -> R:
        with watched(work_shown):
            return work()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(copy_context().run, run)
        try:
            yield done.result
        finally:
            work_shown.abandoned.set()


def map_stoppable(pool: ThreadPoolExecutor, work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
    """As `pool.map`, but what has not begun is left out as soon as the caller stops, also if a signal comes twice.

    A pool waits for all of its pieces at its end. To cancel thousands of them takes a moment, in which a second signal
    would leave the rest to be done.
    """
    stopped = Event()

    def begin(piece: T) -> R | None:
        return None if stopped.is_set() else work(piece)

    try:
        for done in pool.map(begin, pieces):
            yield cast("R", done)
    finally:
        stopped.set()
