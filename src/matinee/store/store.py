"""The store: content-addressed folders, each whole or absent.

A step is a `Plan`: the name of its folder, and the function that fills it. `Store.ensure` fills the folder once. It
uses a `.partial` folder under a lock, writes the manifest last, and renames the folder. A process that dies leaves a
`.partial` folder, which the next process removes. A second process that needs the same folder waits for the first.
"""

import contextlib
import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from matinee.errors import StoreError
from matinee.formats.base import Manifest
from matinee.store import run_locks
from matinee.store.checksums import compute_checksums, find_damage, sync_folder
from matinee.store.disk_errors import writing
from matinee.store.documents import KINDS, MANIFEST, Document, read_as, read_json, with_checksum
from matinee.store.entries import complete_folders
from matinee.store.files import remove_aside, write_json
from matinee.store.folders import remove_tree
from matinee.store.identity import make_store
from matinee.store.locks import lock_folder
from matinee.store.remote import local_store, remote_of
from matinee.store.system import peak_memory

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_Manifest = TypeVar("_Manifest", bound=Manifest)


class _Counted(Manifest):
    """What the manifests of all kinds have in common."""

    rows: int


class Reference(BaseModel):
    """The name of a whole folder in the store. Steps pass references to each other, never data."""

    model_config = ConfigDict(frozen=True)

    kind: str
    digest: str
    location: str
    rows: int
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Plan:
    """A folder that exists already or that `make` can fill.

    `make` gets an empty folder and returns the manifest, which has `rows`. `scratch` holds what a killed `make` resumes
    from; it is removed when the folder is complete. `admit` gets the manifest; it is called under the lock of the kind
    before the folder gets its name, and raises an error if it must not get it.
    """

    kind: str
    digest: str
    make: Callable[[Path], Manifest]
    scratch: Path | None = None
    admit: Callable[[Manifest], None] | None = None


@dataclass(frozen=True)
class Store:
    """The folder with all results of the pipeline."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> "Store":
        """The store at `root`; a new or empty folder becomes one. `root` may be an address, such as s3://bucket/store.

        Raises ConfigError for a folder that is not a store, StoreError if it can't be written or reached.
        """
        root = local_store(root)
        with _opening(root):
            make_store(root)
        check_writable(root)
        if remote := remote_of(root):
            remote.open(create=True)
        return cls(root)

    def folder(self, kind: str, digest: str) -> Path:
        """The path of a folder, whether it exists or not."""
        if kind in KINDS and not self._is_here(kind, digest) and (remote := remote_of(self.root)):
            remote.fetch(kind, digest)
        return self.root / kind / digest

    def names(self, kind: str) -> list[str]:
        """The names of all whole folders of a kind, oldest first."""
        if remote := remote_of(self.root):
            return remote.folders.names(kind)[::-1]
        whole = sorted(complete_folders(self.root, kind), key=lambda path: (path / MANIFEST).stat().st_mtime)
        return [path.name for path in whole]

    def has(self, plan: Plan) -> bool:
        """Whether the plan's folder is whole."""
        if remote := remote_of(self.root):
            return remote.folders.has(plan.kind, plan.digest)
        return self._is_here(plan.kind, plan.digest)

    def manifest(self, kind: str, digest: str) -> Document:
        """The manifest of a complete folder, of any kind.

        Raises StoreError when the folder is absent or its manifest is damaged.
        """
        return read_json(self._manifest(kind, digest))

    def read(self, model: type[_Manifest], digest: str) -> _Manifest:
        """The manifest of a whole folder as the model of its kind (`matinee.formats.manifests`).

        Raises StoreError when the folder is absent or its manifest is damaged.
        """
        return read_as(self._manifest(model.KIND, digest), model)

    def read_if_kept(self, model: type[_Manifest], digest: str | None) -> _Manifest | None:
        """As `read`; None without a digest, and for a folder that prune has removed."""
        kept = bool(digest) and self._manifest(model.KIND, str(digest)).is_file()
        return self.read(model, str(digest)) if kept else None

    def path(self, reference: Reference) -> Path:
        """The folder behind a reference.

        Raises StoreError if it does not exist any more.
        """
        folder = self.folder(reference.kind, reference.digest)
        if not (folder / MANIFEST).is_file():
            raise StoreError(
                f"{reference.kind}/{reference.digest} is not in the store {self.root} any more. Run the flow again to "
                "compute it again."
            )
        return folder

    def reference(self, kind: str, digest: str) -> Reference:
        """The reference to a whole folder."""
        rows = read_as(self._manifest(kind, digest), _Counted).rows
        return Reference(kind=kind, digest=digest, location=f"{kind}/{digest}", rows=rows)

    def ensure(self, plan: Plan) -> Reference:
        """Fill the folder of a plan unless it is whole already; returns a reference to it."""
        with writing(self.root), self.in_use():
            if not self.take(plan):
                self._make(plan)
                if remote := remote_of(self.root):
                    remote.store(plan.kind, plan.digest)
        if plan.scratch is not None:
            shutil.rmtree(plan.scratch, ignore_errors=True)
        return self.reference(plan.kind, plan.digest)

    def take(self, plan: Plan) -> bool:
        """Whether the folder of a plan is whole. If it is, it is marked as used now, so that prune keeps it for this
        run.

        A damaged folder is removed, so that it is computed again. Raises StoreError if the store can't be written.
        """
        kind, digest = plan.kind, plan.digest
        is_sound = self._is_here(kind, digest) and self._is_sound(kind, digest)
        if remote := remote_of(self.root):
            remote.leases.use(kind, digest)
            # What is damaged or missing here is fetched when it is read.
            return remote.folders.has(kind, digest)
        if not is_sound:
            return False
        with writing(self.root), lock_folder(self.root / kind):
            if whole := self._is_here(kind, digest):
                os.utime(self.root / kind / digest)  # the time of the folder only, not of its files
            return whole

    def _is_here(self, kind: str, digest: str) -> bool:
        """Whether a folder is whole on this host."""
        return (self.root / kind / digest / MANIFEST).is_file()

    def _manifest(self, kind: str, digest: str) -> Path:
        """The manifest of a folder, of which nothing else needs to be on this host."""
        if not self._is_here(kind, digest) and (remote := remote_of(self.root)):
            outline = remote.outline(kind, digest)
            if outline is not None:
                return outline / MANIFEST
        return self.root / kind / digest / MANIFEST

    def _is_sound(self, kind: str, digest: str) -> bool:
        """Whether a folder and its partitions match their checksums; damaged ones are removed."""
        folder, is_cache = self.root / kind / digest, remote_of(self.root) is not None
        damaged, manifest = find_damage(folder)
        for part in _partitions_of(manifest):
            if is_cache and not self._is_here("partitions", part):
                continue
            if not self._is_sound("partitions", part):
                damaged.append(f"partition {part}")
        if damaged:
            with writing(self.root), lock_folder(self.root / kind):
                remove_aside(folder)
            how = "is fetched or computed" if is_cache else "is computed"
            log.warning("%s is damaged (%s) and %s again.", folder, ", ".join(damaged), how)
        return not damaged

    def in_use(self) -> contextlib.AbstractContextManager[None]:
        """Hold a run lock during the block: prune keeps all folders that a run has used or written until it ends.

        The block starts once no process uses the store alone. Raises ConfigError if there is no store.
        """
        return run_locks.in_use(self.root)

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """As `in_use`, for a block that writes nothing: a store that this user can only read is used without a lock."""
        return run_locks.reading(self.root)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Use the store alone: no run starts. Raises StoreError if one is active, ConfigError if there is no store."""
        return run_locks.alone(self.root)

    def _make(self, plan: Plan) -> None:
        with self._claim(plan) as folder:
            if folder is not None:
                started = time.perf_counter()
                made = plan.make(folder)
                manifest = {
                    "kind": plan.kind,
                    "digest": plan.digest,
                    "schema_version": SCHEMA_VERSION,
                    "seconds": round(time.perf_counter() - started, 3),
                    "peak_bytes": peak_memory(),
                    **made.model_dump(mode="json"),
                    "seal": compute_checksums(folder),
                }
                write_json(folder / MANIFEST, with_checksum(manifest))
                sync_folder(folder)
                if plan.admit is None:
                    self._name(folder, plan)
                else:
                    with lock_folder(self.root / plan.kind):
                        plan.admit(made)
                        self._name(folder, plan)

    def _name(self, folder: Path, plan: Plan) -> None:
        target = self.root / plan.kind / plan.digest
        # The target has no manifest, or this folder would not have been computed.
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)

    @contextlib.contextmanager
    def _claim(self, plan: Plan) -> Iterator[Path | None]:
        """An empty folder for only this process; None if another process has finished the plan."""
        partial = self.root / plan.kind / f"{plan.digest}.partial"
        with lock_folder(partial):
            if self._is_here(plan.kind, plan.digest):
                shutil.rmtree(partial, ignore_errors=True)
                yield None
                return
            _empty(partial)
            try:
                yield partial
            except BaseException:  # a cancelled run leaves nothing unfinished either
                shutil.rmtree(partial, ignore_errors=True)
                raise


def _partitions_of(manifest: Document) -> list[str]:
    """The digests of a dataset's partitions; none for other kinds."""
    found = manifest.get("partitions")
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


@contextlib.contextmanager
def _opening(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "Free some space." if is_full else "Give --store a folder that this user may write to."
        raise StoreError(f"The store {root} can't be written: {error.strerror or error}. {advice}") from error


def check_writable(root: Path) -> None:
    """Raise StoreError if the store is not writable. The test file has no name, so that a kill leaves none behind."""
    with _opening(root), tempfile.TemporaryFile(dir=root):
        pass


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
        else:
            entry.unlink()
