"""What processes on all hosts use of a store in an object store.

A run writes `running/ID.json` with the folders that it uses, and again each minute. A process that dies leaves it. It
counts for nothing if the process was one of this host, or if nobody has renewed it for ten minutes, by the clock of the
server. A process that wants the store alone writes `alone.json`, and then looks for leases; a run writes its lease, and
then looks for `alone.json`.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from matinee.errors import StoreError
from matinee.store.remote.holders import Holder
from matinee.store.remote.objects import Content, Objects
from matinee.store.remote.server import server_time
from matinee.store.remote.transfers import briefly
from matinee.store.remote.turns import Renewal, Waiting, holder_of, turn

RENEW_SECONDS: Final = 60.0
DEAD_AFTER: Final = timedelta(minutes=10)
_ALONE, _RUNS = "alone.json", "running/"
_LOOK_SECONDS: Final = 2.0  # at the leases of others


@dataclass(frozen=True)
class Lease:
    """A run that is active, on any host."""

    key: str
    renewed: datetime
    started: datetime
    uses: frozenset[str]  # kind/name of folders
    holder: Holder

    @property
    def name(self) -> str:
        """The name of the process."""
        return self.key.removeprefix(_RUNS).removesuffix(".json")


class _OwnLease:
    """A lease of this process. It is not there any more once it has ended, even if a server answers late."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()  # of `uses`, and held while a request writes them
        self._holder = Holder.new()
        self._started = datetime.now(UTC).isoformat()
        self._uses: set[str] = set()
        self._is_ended = threading.Event()
        self._renewal: Renewal | None = None
        self.key = f"{_RUNS}{self._holder.holder}.json"

    def begin(self) -> None:
        """Write the lease, and keep it renewed; waits while a process uses the store alone."""
        waiting = Waiting(self._objects)
        try:
            while True:
                self._write()
                alone = holder_of(self._objects, _ALONE)
                if alone is None:
                    break
                self._objects.delete([self.key])
                waiting.look_later(alone.holder)
        except BaseException:
            self.end()
            raise
        self._renewal = Renewal(self._renew, RENEW_SECONDS)

    def use(self, place: str) -> None:
        """Add a folder, as kind/name, to what the lease keeps."""
        with self._lock:
            if place not in self._uses:
                self._uses.add(place)
                self._write()

    def end(self) -> None:
        """Remove the lease."""
        self._is_ended.set()
        if self._renewal is not None:
            self._renewal.stop()
        with contextlib.suppress(StoreError), briefly():  # it counts for nothing after ten minutes
            self._objects.delete([self.key])

    def _renew(self) -> None:
        """Write the lease again, unless another thread is writing it."""
        if self._lock.acquire(blocking=False):
            try:
                self._write()
            finally:
                self._lock.release()

    def _write(self) -> None:
        if self._is_ended.is_set():
            return
        content = {**self._holder.model_dump(), "started": self._started, "uses": sorted(self._uses)}
        try:
            self._objects.put(self.key, json.dumps(content).encode())
        finally:
            if self._is_ended.is_set():  # meanwhile, by a thread that has not waited for a slow server
                self._objects.delete([self.key])


class RunLeases:
    """The lease of this process, and those of others."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._holders = 0
        self._own: _OwnLease | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease of this process during the block; waits while a process uses the store alone."""
        with self._lock:
            if self._own is None:
                begun = _OwnLease(self._objects)
                begun.begin()
                self._own = begun
            own = self._own
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                is_last = not self._holders
                if is_last:
                    self._own = None
            if is_last:
                own.end()

    @property
    def are_held(self) -> bool:
        """Whether this process is in a block of `held`."""
        return self._own is not None

    def use(self, kind: str, name: str) -> None:
        """Keep a folder from being pruned until the block of `held` ends. Without such a block, nothing is kept."""
        own = self._own
        if own is not None:
            own.use(f"{kind}/{name}")

    def live(self) -> list[Lease]:
        """The leases of all active runs, that of this process included."""
        found = self._objects.list(_RUNS)
        if not found:
            return []
        now = server_time(self._objects)
        alive = [each for each in found if now - each.modified < DEAD_AFTER]
        contents = [(each, self._objects.get(each.key)) for each in alive]
        leases = [_read(each.key, content) for each, content in contents if content is not None]
        return [lease for lease in leases if not lease.holder.is_dead]

    def clear_dead(self) -> None:
        """Remove the leases of runs that have died."""
        live = {lease.key for lease in self.live()}
        self._objects.delete([each.key for each in self._objects.list(_RUNS) if each.key not in live])

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Use the store exclusively during the block.

        Raises StoreError if a run is active. A run of another host is active if it renews its lease; it is waited for
        until it does or ends, or until its lease counts for nothing.
        """
        with turn(self._objects, _ALONE, waits=False):
            self._wait_for_others()
            yield

    def _wait_for_others(self) -> None:
        waiting = Waiting(self._objects, DEAD_AFTER)
        first: dict[str, datetime] = {}
        own = self._own.key if self._own is not None else ""
        while others := [lease for lease in self.live() if lease.key != own]:
            for lease in others:
                if lease.holder.is_here or lease.renewed != first.setdefault(lease.key, lease.renewed):
                    raise StoreError(
                        f"A run is using {self._objects.address.text} ({lease.name}) and may read or write the same "
                        "folders. Run the same command again when it has ended."
                    )
            waiting.look_later(others[0].name, _LOOK_SECONDS)


def _read(key: str, content: Content) -> Lease:
    try:
        said = json.loads(content.data)
        started = datetime.fromisoformat(said["started"])
        uses = frozenset(map(str, said["uses"]))
    except (ValueError, KeyError, TypeError):
        started, uses = content.modified, frozenset()
    return Lease(key, content.modified, min(started, content.modified), uses, Holder.read(content.data))
