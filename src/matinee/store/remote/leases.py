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
from matinee.store.remote.transfers import BRIEF_SECONDS, briefly
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


class RunLeases:
    """The lease of this process, and those of others."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.RLock()
        self._holders = 0
        self._key = ""
        self._holder = Holder()
        self._started = ""
        self._uses: set[str] = set()
        self._renewal: Renewal | None = None

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
            is_ours = self._lock.acquire(
                timeout=BRIEF_SECONDS
            )  # or a renewal waits for a server that is gone
            self._holders -= 1
            if not self._holders:
                self._end()
            if is_ours:
                self._lock.release()

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
        while others := [lease for lease in self.live() if lease.key != self._key]:
            for lease in others:
                if lease.holder.is_here or lease.renewed != first.setdefault(lease.key, lease.renewed):
                    raise StoreError(
                        f"A run is using {self._objects.address.text} ({lease.name}) and may read or write the same "
                        "folders. Run the same command again when it has ended."
                    )
            waiting.look_later(others[0].name, _LOOK_SECONDS)

    def _begin(self) -> None:
        self._holder = Holder.new()
        self._key = f"{_RUNS}{self._holder.holder}.json"
        self._started, self._uses = datetime.now(UTC).isoformat(), set()
        waiting = Waiting(self._objects)
        while True:
            self._write()
            alone = holder_of(self._objects, _ALONE)
            if alone is None:
                break
            self._objects.delete([self._key])
            waiting.look_later(alone.holder)
        self._renewal = Renewal(self._renew, RENEW_SECONDS)

    def _end(self) -> None:
        if self._renewal is not None:
            self._renewal.stop()
        with contextlib.suppress(StoreError), briefly():  # it counts for nothing after ten minutes
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
            content = {**self._holder.model_dump(), "started": self._started, "uses": sorted(self._uses)}
            self._objects.put(self._key, json.dumps(content).encode())


def _read(key: str, content: Content) -> Lease:
    try:
        said = json.loads(content.data)
        started = datetime.fromisoformat(said["started"])
        uses = frozenset(map(str, said["uses"]))
    except (ValueError, KeyError, TypeError):
        started, uses = content.modified, frozenset()
    return Lease(key, content.modified, min(started, content.modified), uses, Holder.read(content.data))
