"""What leaves the cache of a host because it left the store: a user was erased or folders were pruned, on any host."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from matinee.errors import StoreError
from matinee.store.documents import KINDS, WORK, read_as
from matinee.store.entries import entries_of
from matinee.store.files import remove_aside, write_json
from matinee.store.locks import lock
from matinee.store.remote.files import PRUNED, RemoteFiles
from matinee.store.remote.folders import OUTLINES, RemoteFolders
from matinee.store.remote.leases import RunLeases

# Folders that are remembered; a host that missed more keeps some until its cache is removed.
_MOST: Final = 5_000


class PrunedFolders(BaseModel):
    """pruned.json: the folders that were pruned last, as KIND/NAME."""

    model_config = ConfigDict(extra="ignore")

    folders: list[str] = []


def evict_runs(root: Path) -> None:
    """Remove what a cache has of runs: a user was erased, also from folders that keep their names.

    What is needed is fetched again.
    """
    for name in (OUTLINES, WORK, "recommendations"):
        shutil.rmtree(root / name, ignore_errors=True)
    for kind in (*KINDS, "releases"):
        for folder in entries_of(root, kind):
            if folder.suffix:
                _remove_unlocked(folder)
            else:
                remove_aside(folder)


def announce_pruned(files: RemoteFiles, places: Sequence[tuple[str, str]]) -> None:
    """Let the caches of other hosts know which folders were pruned."""
    if places:
        known = [f"{kind}/{name}" for kind, name in places]
        kept = [each for each in _read(files.root) if each not in known]
        write_json(files.root / PRUNED, PrunedFolders(folders=[*kept, *known][-_MOST:]))
        files.push(PRUNED)


def evict_pruned(root: Path, folders: RemoteFolders, leases: RunLeases) -> None:
    """Remove the folders of a cache that were pruned, unless a run has made them again."""
    here = [
        place for place in _read(root) if any((base / place).is_dir() for base in (root, root / OUTLINES))
    ]
    if not here:
        return
    used = {use for lease in leases.live() for use in lease.uses}
    for place in here:
        kind, _, name = place.partition("/")
        if place not in used and not folders.has(kind, name):
            remove_cached(root, kind, name)


def remove_cached(root: Path, kind: str, name: str) -> None:
    """Remove a folder from a cache."""
    remove_aside(root / kind / name)
    shutil.rmtree(root / OUTLINES / kind / name, ignore_errors=True)


def _read(root: Path) -> list[str]:
    """The folders of pruned.json that are folders of a store."""
    with contextlib.suppress(StoreError):  # absent or damaged: caches stay larger
        places = read_as(root / PRUNED, PrunedFolders).folders
        return [
            place for place in places if place.partition("/")[0] in (*KINDS, "releases") and ".." not in place
        ]
    return []


def _remove_unlocked(folder: Path) -> None:
    """Remove an unfinished folder, unless a process is filling it."""
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if lock(handle, wait=False):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
