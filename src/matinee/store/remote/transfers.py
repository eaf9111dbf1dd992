"""Requests to an object store, in threads: several at a time, with progress by the byte, and ended by signals.

The library answers no signal while it waits for a server, so a thread waits for the library, and the caller for both.
"""

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Final, TypeVar

from matinee.store.progress import watching

BRIEF_SECONDS: Final = 2.0  # for what only spares others a wait
_AT_ONCE: Final = 8
_LOOK_SECONDS: Final = 0.25
# For requests under way when a command is stopped; a server that is there answers sooner.
_GRACE_SECONDS: Final = 1.0
_Result = TypeVar("_Result")


class LateError(Exception):
    """No answer came in time."""


@dataclass
class _Limit:
    """When a group of requests ends, by the monotonic clock."""

    ends: float = float("inf")

    def end_soon(self) -> None:
        self.ends = min(self.ends, time.monotonic() + _GRACE_SECONDS)


_limit: ContextVar[_Limit] = ContextVar("_limit", default=_Limit())  # noqa: B039 - that of no group never changes


@dataclass
class RequestWait:
    """The wait for one request, which ends some seconds after the last sign of life."""

    seconds: float
    _limit: _Limit = field(default_factory=_limit.get)
    _last: float = field(default_factory=time.monotonic)

    def sign(self) -> None:
        """Note that the request goes on. Raises LateError if nobody waits for it any more."""
        self.check()
        self._last = time.monotonic()

    def check(self) -> None:
        """Raise LateError if the wait is over."""
        if time.monotonic() > min(self._limit.ends, self._last + self.seconds):
            raise LateError

    def result(self, call: Callable[[], _Result]) -> _Result:
        """The result of a call, which a thread makes. Raises LateError if it does not come in time."""
        outcome: Future[_Result] = Future()
        context = copy_context()

        def work() -> None:
            try:
                outcome.set_result(context.run(call))
            except BaseException as error:  # noqa: BLE001 - for the thread that waits
                outcome.set_exception(error)

        Thread(target=work, name="matinee-request", daemon=True).start()
        try:
            while not outcome.done():
                self.check()
                wait([outcome], timeout=_LOOK_SECONDS)
        except KeyboardInterrupt:
            wait([outcome], timeout=_GRACE_SECONDS)
            raise
        return outcome.result()


@contextlib.contextmanager
def briefly() -> Iterator[None]:
    """End all requests of the block after some seconds in all: what they do only spares others a wait."""
    before = _limit.set(_Limit(min(_limit.get().ends, time.monotonic() + BRIEF_SECONDS)))
    try:
        yield
    finally:
        _limit.reset(before)


def transfer_all(calls: Iterable[Callable[[], object]]) -> None:
    """Make calls in threads, which report progress to what the caller reports to.

    The first error is raised. Calls that have not begun by then are left out.
    """
    limit = _Limit(_limit.get().ends)

    def within(call: Callable[[], object]) -> None:
        _limit.set(limit)
        call()

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            begun = [pool.submit(copy_context().run, within, call) for call in calls]
            for done in as_completed(begun):
                done.result()
        except BaseException as error:
            if not isinstance(error, Exception):
                limit.end_soon()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class WatchedFile(io.FileIO):
    """A file whose reading is the progress of a transfer. Any thread may read it."""

    def __init__(self, path: Path, awaited: RequestWait) -> None:
        super().__init__(path)
        self._work, self._awaited = watching(), awaited

    def read(self, size: int | None = -1, /) -> bytes:
        """As that of a file."""
        self._awaited.sign()
        data = super().read(-1 if size is None else size) or b""
        if self._work is not None:
            self._work.advance(len(data))
        return data
