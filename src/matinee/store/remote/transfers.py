"""Files that go to or come from an object store, several at a time, with progress by the byte."""

import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from pathlib import Path
from typing import Final

from matinee.store.progress import watching

_AT_ONCE: Final = 8


def transfer_all(calls: Iterable[Callable[[], object]]) -> None:
    """Make calls in threads, which report progress to what the caller reports to.

    The first error is raised. Calls that have not begun by then are left out.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begun = [pool.submit(copy_context().run, call) for call in calls]
        try:
            for done in as_completed(begun):
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class WatchedFile(io.FileIO):
    """A file whose reading is the progress of a transfer. Any thread may read it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._work = watching()

    def read(self, size: int | None = -1, /) -> bytes:
        """As that of a file."""
        data = super().read(-1 if size is None else size) or b""
        if self._work is not None:
            self._work.advance(len(data))
        return data
