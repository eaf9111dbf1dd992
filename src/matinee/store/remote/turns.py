"""Turns at an object: of all processes on all hosts, one at a time has it, and renews it while it is at work."""

import contextlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from matinee.errors import MatineeError, StoreError
from matinee.store.remote.holders import Holder
from matinee.store.remote.objects import Content, Objects
from matinee.store.remote.server import server_time
from matinee.store.remote.transfers import BRIEF_SECONDS, briefly

TURN_SECONDS: Final = 60.0  # after which a turn that nobody renews is taken over
LOOK_SECONDS: Final = 0.5
_REGISTRY: Final = "registry.json"
_SILENT_SECONDS: Final = 2.0  # of waiting, after which a line says so

log = logging.getLogger(__name__)


@contextlib.contextmanager
def turn(
    objects: Objects, key: str = _REGISTRY, *, waits: bool = True, what: str | None = None
) -> Iterator[None]:
    """Be the only process with an object during the block, and renew it.

    A turn of a process of this host that has died is taken over at once, and of another host if nobody has renewed it
    for a minute. What the block writes has to be conditional all the same: this process may have been stopped for
    longer than that.

    Args:
        objects: The object store.
        key: The object that processes take turns at.
        waits: Whether to wait for a process that is alive until it ends.
        what: What the object stands for, in the error; by default the whole store.

    Raises:
        StoreError: Another process is alive and has its turn; not with `waits`.
    """
    mine = _take(objects, key, waits=waits, what=what or objects.address.text)
    renewal = Renewal(mine.renew, TURN_SECONDS / 4)
    try:
        yield
    finally:
        renewal.stop()
        with contextlib.suppress(StoreError), briefly():  # others take over
            mine.release()


def holder_of(objects: Objects, key: str) -> Holder | None:
    """The process that has its turn at an object, as far as is known."""
    found = objects.get(key)
    return None if found is None else _holder(objects, found)


class Waiting:
    """One line about a wait for another process, if it takes longer than a moment."""

    def __init__(self, objects: Objects, longest: timedelta | None = None) -> None:
        self._place = objects.address.text
        self._longest = longest or timedelta(seconds=TURN_SECONDS)
        self._since = time.monotonic()
        self._has_said = False

    def look_later(self, holder: str, seconds: float = LOOK_SECONDS) -> None:
        """Wait before the next look at what a process holds."""
        if not self._has_said and time.monotonic() - self._since >= _SILENT_SECONDS:
            log.warning(
                "%s is used by %s. Waiting until it ends; if it was killed, for at most %d s.",
                self._place,
                holder,
                self._longest.total_seconds(),
            )
            self._has_said = True
        time.sleep(seconds)


class Renewal:
    """Calls a function every few seconds until it is stopped. One failure is not the end: the next call may pass."""

    def __init__(self, call: Callable[[], None], seconds: float) -> None:
        self._call, self._seconds = call, seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="matinee-lease", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stopped.wait(self._seconds):
            with contextlib.suppress(MatineeError):
                self._call()

    def stop(self) -> None:
        """Stop, and wait for a call that is under way, but not for a server that is gone."""
        self._stopped.set()
        self._thread.join(BRIEF_SECONDS)


class _Turn:
    """The turn of this process at an object."""

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects, self._key = objects, key
        self._holder = Holder.new()

    def take(self, there: Content | None) -> bool:
        """Take the turn from nobody, or from the process whose object was read."""
        if there is None:
            return self._objects.create(self._key, _data(self._holder))
        return self._objects.swap(self._key, _data(self._holder), there.tag)

    def renew(self) -> None:
        """Show others that this process is alive, if the turn is still its own."""
        self._write(self._holder)

    def release(self) -> None:
        """Give the turn back, if it is still this process's."""
        self._write(Holder())

    def _write(self, holder: Holder) -> None:
        there = self._objects.get(self._key)
        if there is not None and Holder.read(there.data) == self._holder:
            self._objects.swap(self._key, _data(holder), there.tag)


def _take(objects: Objects, key: str, *, waits: bool, what: str) -> _Turn:
    mine, waiting, first = _Turn(objects, key), Waiting(objects), None
    while True:
        there = objects.get(key)
        holder = None if there is None else _holder(objects, there)
        if there is None or holder is None:
            if mine.take(there):
                return mine
            continue
        first = first or there
        if not waits and (holder.is_here or there.tag != first.tag):  # it is alive
            raise StoreError(
                f"Another process is using {what} alone ({holder.holder}). Run the same command again when it has "
                "ended."
            )
        waiting.look_later(holder.holder)


def _holder(objects: Objects, there: Content) -> Holder | None:
    """The process that has its turn at the object that was read; None if it gave it back, or has died."""
    holder = Holder.read(there.data)
    if not holder.holder or holder.is_dead:
        return None
    is_stale = server_time(objects) - there.modified > timedelta(seconds=TURN_SECONDS)
    return None if is_stale else holder


def _data(holder: Holder) -> bytes:
    return json.dumps({**holder.model_dump(), "token": uuid.uuid4().hex}).encode()
