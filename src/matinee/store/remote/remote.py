"""A store in an object store, behind the store on this host that caches it."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from matinee.errors import ConfigError, StoreError
from matinee.errors.text import show_as
from matinee.store.documents import FORGOTTEN, KINDS, MANIFEST
from matinee.store.entries import entries_of
from matinee.store.files import remove_aside, write_json
from matinee.store.remote.address import MARK, RemoteMark, local_store, parse_address, read_mark
from matinee.store.remote.eviction import evict_pruned, evict_runs
from matinee.store.remote.files import PRUNED, RemoteFiles
from matinee.store.remote.folders import RemoteFolders
from matinee.store.remote.leases import RunLeases
from matinee.store.remote.log import RemoteLog
from matinee.store.remote.marker import find_marker
from matinee.store.remote.objects import Objects
from matinee.store.remote.restoring import check_complete
from matinee.store.remote.searches import RemoteSearches
from matinee.store.remote.source_cache import drop_sources
from matinee.store.remote.stored import DamagedFolderError
from matinee.store.remote.turns import turn
from matinee.store.remote.withdrawals import look_again

_remotes: dict[tuple[int, str], "Remote"] = {}
_lock = threading.Lock()

log = logging.getLogger(__name__)


def remote_of(root: Path) -> "Remote | None":
    """The store that a folder caches; None for a store on this host alone.

    A process has one object per cache. Raises StoreError if the address in the cache is damaged.
    """
    if not os.path.lexists(root / MARK):
        return None
    key = (os.getpid(), os.path.realpath(root))
    with _lock:
        if key not in _remotes:
            _remotes[key] = Remote(Path(root), Objects(parse_address(read_mark(root).address)))
        return _remotes[key]


def reconnect() -> None:
    """Let the stores of this process read the environment again: its credentials have changed."""
    with _lock:
        for remote in _remotes.values():
            remote.objects.reconnect()


def address_of(store: str | Path) -> str:
    """What names a store on every host: the address in an object store, or else the path of its folder."""
    remote = remote_of(local_store(store))
    return str(Path(store).absolute()) if remote is None else remote.name


def pull_file(root: Path, name: str) -> None:
    """Bring a file of a store into the cache, if the store is in an object store."""
    if remote := remote_of(root):
        remote.files.pull(name)


def will_push(root: Path, name: str) -> None:
    """Let a file at the root of a store be fetched again unless it is pushed. Call it before the file is changed."""
    if remote := remote_of(root):
        remote.files.drop_state(name)


def push_file(root: Path, name: str) -> None:
    """Write a file at the root of a store to the object store, if the store is in one."""
    if remote := remote_of(root):
        remote.files.push(name)


@dataclass
class Remote:
    """A store in an object store."""

    root: Path  # the cache
    objects: Objects
    _is_filling: bool = field(default=False, init=False)  # a restoration or a backup of this process fills it
    _is_checked: bool = field(default=False, init=False)
    _turn: int = field(default=0, init=False)  # the last change of the champion when the lock was taken

    @property
    def name(self) -> str:
        """The address."""
        return self.objects.address.text

    @cached_property
    def folders(self) -> RemoteFolders:
        """Its folders."""
        return RemoteFolders(self.root, self.objects)

    @cached_property
    def log(self) -> RemoteLog:
        """Its log and champion."""
        return RemoteLog(self.root, self.objects)

    @cached_property
    def files(self) -> RemoteFiles:
        """Its plain files."""
        return RemoteFiles(self.root, self.objects)

    @cached_property
    def searches(self) -> RemoteSearches:
        """Its searches for settings."""
        return RemoteSearches(self.files)

    @cached_property
    def leases(self) -> RunLeases:
        """What runs on all hosts use."""
        return RunLeases(self.objects)

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """During the block, the store may be opened although it is not complete yet."""
        self._is_filling = True
        try:
            yield
        finally:
            self._is_filling = self._is_checked = False

    def open(self, *, create: bool) -> None:
        """Check that there is a store, and bring the small files of the cache up to date.

        Args:
            create: Whether to make a store of an empty prefix.

        Raises:
            ConfigError: There is no store or no bucket, or the prefix has other objects.
            StoreError: The object store can't be reached or denies access, a later Matinee has written the store, or
                its restoration or first backup has not finished.
        """
        if not self._is_checked:
            self._check(create=create)
            if not self._is_filling:
                check_complete(self.objects)
            self._is_checked = True
            show_as(self.root, self.name, with_files=False)
        self.log.refresh()
        changed = self.files.refresh()
        if FORGOTTEN in changed:
            evict_runs(self.root)
            drop_sources(keep_given=True)
        if PRUNED in changed:
            evict_pruned(self.root, self.folders, self.leases)
        if create:
            self._bring_manifests()

    def fetch(self, kind: str, name: str, *, again: bool = False) -> bool:
        """Bring a folder into the cache; returns whether it exists. A release that is gone leaves the cache too.

        With `again`, the objects are read also if the cache has the folder.
        """
        pull = partial(self.folders.pull, kind, name, again=again)
        if pull() or (self.leases.are_held and look_again(self.objects, f"{kind}/{name}", pull)):
            return True
        if kind == "releases" and (self.root / kind / name / MANIFEST).is_file():
            remove_aside(self.root / kind / name)
        return False

    def outline(self, kind: str, name: str) -> Path | None:
        """A folder with at least the manifest of the stored one; None if it is not stored."""
        look = partial(self.folders.outline, kind, name)
        found = look()
        if found is None and self.leases.are_held:
            return look_again(self.objects, f"{kind}/{name}", look)
        return found

    def store(self, kind: str, name: str) -> None:
        """Upload a folder of the cache. If another host was faster, the cache gets that one, which is equal."""
        self.leases.use(kind, name)
        if not self.folders.has(kind, name) and self.folders.push(kind, name):
            return
        self.fetch(kind, name)

    def store_release(self, version: str) -> None:
        """Upload a release of the cache under a version that nobody has used."""
        self.leases.use("releases", version)
        if not self.folders.push("releases", version):
            remove_aside(self.root / "releases" / version)
            raise StoreError(
                f"Another process has published {version} in {self.name} meanwhile. Run the same command again."
            )

    def bring_all(self, *, damaged: list[str] | None = None) -> None:
        """Bring all folders and files into the cache. Call it under the registry's lock.

        Args:
            damaged: Gets the names of folders whose objects are missing or differ, which leave the cache. Without it,
                such a folder is an error.
        """
        for kind in (*KINDS, "releases"):
            for name in self.folders.names(kind):
                try:
                    self.fetch(kind, name)
                except DamagedFolderError as error:
                    if damaged is None:
                        raise
                    log.warning("%s The folder was left out.", error)
                    damaged.append(name)
                    remove_aside(self.root / kind / name)
        for folder in entries_of(self.root, "releases"):
            if not folder.suffix and folder.name not in (damaged or ()):
                self.fetch("releases", folder.name)  # removes one that is gone
        self.files.pull_all()
        self.searches.bring_all()

    def _bring_manifests(self) -> None:
        """Bring the folder that says what the store holds: of the champion, or else of the last dataset."""
        if number := self.log.last_move():
            self.fetch("releases", self.log.champion(number))
        elif not any((self.root / "datasets").glob(f"*/{MANIFEST}")):
            for dataset in self.folders.names("datasets")[:1]:
                self.fetch("datasets", dataset)

    @contextlib.contextmanager
    def publishing(self) -> Iterator[None]:
        """Keep processes on other hosts from publishing and from changing the champion during the block."""
        with turn(self.objects):
            self.log.refresh()
            self.log.heal()
            if FORGOTTEN in self.files.refresh():
                evict_runs(self.root)
            self._turn = self.log.last_move()
            yield

    def record(self, line: bytes, *, moves: bool) -> None:
        """Add an entry to the log. A change of the champion needs the block of `publishing`."""
        self.log.append(line, last_move=self._turn if moves else None)
        if moves:
            self._turn = self.log.last_move()

    def _check(self, *, create: bool) -> None:
        """Check the marker under the prefix, or write it."""
        marker = find_marker(self.objects, create=create)
        known = read_mark(self.root)
        if known.store is None:
            write_json(self.root / MARK, RemoteMark(address=known.address, store=marker.store))
        elif known.store != marker.store:
            raise ConfigError(
                f"The cache {self.root}/ is of another store that was at {self.name} before. Remove that folder, and "
                "run the same command again."
            )
