"""What processes on all hosts use of a store in an object store.

A run writes `running/ID.json` with the folders that it uses, and again each minute. A process that dies leaves it; a
lease that nobody has renewed for ten minutes, by the clock of the server, counts for nothing. A process that wants the
store alone writes `alone.json`, and then looks for leases; a run writes its lease, and then looks for `alone.json`.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from matinee.errors import MatineeError, StoreError
from matinee.store.remote.objects import Content, Objects

RENEW_SECONDS: Final = 60.0
DEAD_AFTER: Final = timedelta(minutes=10)
TURN_SECONDS: Final = 60.0  # after which a turn at the registry that nobody renews is taken over
_ALONE, _TURN = "alone.json", "registry.json"
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Lease:
    """A run that is active, on any host."""

    key: str
    renewed: datetime
    started: datetime
    uses: frozenset[str]  # kind/name of folders


class RunLeases:
    """The lease of this process, and those of others."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.RLock()
        self._holders = 0
        self._key = ""
        self._started = ""
        self._uses: set[str] = set()
        self._renewal: _Renewal | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease of this process during the block; waits while a process uses the store alone."""
        with self._lock:
            if not self._holders:
                self._begin()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._end()

    @property
    def are_held(self) -> bool:
        """Whether this process is in a block of `held`."""
        return self._holders > 0

    def use(self, kind: str, name: str) -> None:
        """Keep a folder from being pruned until the block of `held` ends. Without such a block, nothing is kept."""
        with self._lock:
            if self._holders and f"{kind}/{name}" not in self._uses:
                self._uses.add(f"{kind}/{name}")
                self._write()

    def live(self) -> list[Lease]:
        """The leases of all active runs, that of this process included."""
        found = self._objects.list("running/")
        if not found:
            return []
        now = server_time(self._objects)
        alive = [each for each in found if now - each.modified < DEAD_AFTER]
        contents = [(each, self._objects.get(each.key)) for each in alive]
        return [_read(each.key, content) for each, content in contents if content is not None]

    def clear_dead(self) -> None:
        """Remove the leases of runs that have died."""
        live = {lease.key for lease in self.live()}
        self._objects.delete([each.key for each in self._objects.list("running/") if each.key not in live])

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Use the store exclusively during the block. Raises StoreError if a run is active on any host."""
        place = self._objects.address.text
        with turn(self._objects, _ALONE, patience=0.0):
            others = [lease.key for lease in self.live() if lease.key != self._key]
            if others:
                names = ", ".join(key.removeprefix("running/").removesuffix(".json") for key in others)
                raise StoreError(
                    f"A run is using {place} ({names}) and may read or write the same folders. Run the same command "
                    "again when it has ended; a run that was killed counts as ended after ten minutes."
                )
            yield

    def _begin(self) -> None:
        self._key = f"running/{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}.json"
        self._started, self._uses = datetime.now(UTC).isoformat(), set()
        while True:
            self._write()
            if is_free(self._objects, _ALONE):
                break
            self._objects.delete([self._key])
            time.sleep(_LOOK_SECONDS)
        self._renewal = _Renewal(self._renew, RENEW_SECONDS)

    def _end(self) -> None:
        if self._renewal is not None:
            self._renewal.stop()
        with contextlib.suppress(StoreError):  # it counts for nothing after ten minutes
            self._objects.delete([self._key])

    def _renew(self) -> None:
        """Write the lease again, unless another thread is writing or ending it, which waits for this one."""
        if self._lock.acquire(blocking=False):
            try:
                self._write()
            finally:
                self._lock.release()

    def _write(self) -> None:
        with self._lock:
            content = {"started": self._started, "uses": sorted(self._uses)}
            self._objects.put(self._key, json.dumps(content).encode())


@contextlib.contextmanager
def turn(objects: Objects, key: str = _TURN, *, patience: float | None = None) -> Iterator[None]:
    """Be the only process with an object during the block, and renew it.

    A waiting process takes over what nobody has renewed for a minute. What the block writes has to be conditional all
    the same: this process may have been stopped for longer than that.

    Args:
        objects: The object store.
        key: The object that processes take turns at.
        patience: Seconds to wait for another process that is alive; None waits until it ends.

    Raises:
        StoreError: Another process is alive and has its turn, after `patience` seconds.
    """
    mine = _take(objects, key, patience)
    renewal = _Renewal(mine.renew, TURN_SECONDS / 4)
    try:
        yield
    finally:
        renewal.stop()
        with contextlib.suppress(StoreError):  # others take over in a minute
            mine.release()


def is_free(objects: Objects, key: str) -> bool:
    """Whether no process has its turn at an object. One that was killed has it for a minute more."""
    found = objects.get(key)
    if found is None or not _holder(found):
        return True
    return _is_stale(objects, found)


def server_time(objects: Objects) -> datetime:
    """The time by the clock of the server, which leases are measured by."""
    key = f"clock/{uuid.uuid4().hex}.json"
    objects.put(key, b"{}")
    found = objects.get(key)
    objects.delete([key])
    return datetime.now(UTC) if found is None else found.modified


def has_conditions(objects: Objects) -> bool:
    """Whether the server refuses to create an object that exists, and to replace one that has changed."""
    key = f"clock/{uuid.uuid4().hex}.json"
    try:
        objects.create(key, b"first")
        before = objects.get(key)
        created = objects.create(key, b"second")
        objects.put(key, b"third")
        return before is not None and not created and not objects.swap(key, b"fourth", before.tag)
    finally:
        objects.delete([key])


class _Turn:
    """The turn of this process at an object."""

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects, self._key = objects, key
        self._holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"

    def take(self, there: Content | None) -> bool:
        """Take the turn from nobody, or from the process whose object was read."""
        if there is None:
            return self._objects.create(self._key, self._data(self._holder))
        return self._objects.swap(self._key, self._data(self._holder), there.tag)

    def renew(self) -> None:
        """Show others that this process is alive, if the turn is still its own."""
        self._write(self._holder)

    def release(self) -> None:
        """Give the turn back, if it is still this process's."""
        self._write("")

    def _write(self, holder: str) -> None:
        there = self._objects.get(self._key)
        if there is not None and _holder(there) == self._holder:
            self._objects.swap(self._key, self._data(holder), there.tag)

    @staticmethod
    def _data(holder: str) -> bytes:
        return json.dumps({"holder": holder, "token": uuid.uuid4().hex}).encode()


def _take(objects: Objects, key: str, patience: float | None) -> _Turn:
    mine, started = _Turn(objects, key), time.monotonic()
    while True:
        there, now = objects.get(key), time.monotonic()
        if there is None or not _holder(there) or _is_stale(objects, there):
            if mine.take(there):
                return mine
            continue
        if patience is not None and now - started >= patience:
            raise StoreError(
                f"Another process is using {objects.address.text} alone ({_holder(there)}). Run the same command again "
                "when it has ended."
            )
        time.sleep(_LOOK_SECONDS)


class _Renewal:
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
        """Stop, and wait for a call that is under way."""
        self._stopped.set()
        self._thread.join()


def _is_stale(objects: Objects, there: Content) -> bool:
    return server_time(objects) - there.modified > timedelta(seconds=TURN_SECONDS)


def _holder(found: Content) -> str:
    try:
        content = json.loads(found.data)
    except ValueError:
        return ""
    return str(content.get("holder") or "") if isinstance(content, dict) else ""


def _read(key: str, content: Content) -> Lease:
    try:
        said = json.loads(content.data)
        started = datetime.fromisoformat(said["started"])
        uses = frozenset(map(str, said["uses"]))
    except (ValueError, KeyError, TypeError):
        started, uses = content.modified, frozenset()
    return Lease(key, content.modified, min(started, content.modified), uses)
