"""Erase a user from a store in an object store.

The store is copied to a temporary folder, the user is erased from the copy as from any store, and what differs is
written back. No run is active meanwhile. A call that was killed is finished by the next one, which begins again.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from matinee.errors import StoreError
from matinee.maintenance.scratch import scratch_store
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.digests import file_digest
from matinee.store.documents import FORGOTTEN, KINDS, LOG, MANIFEST, POINTER, WORK
from matinee.store.erased_users import Forgotten
from matinee.store.identity import make_store
from matinee.store.remote import Remote, push_file
from matinee.store.remote.files import RemoteFiles
from matinee.store.remote.folders import OUTLINES, RemoteFolders
from matinee.store.remote.stored import StoredFolder

_ALL: Final = (*KINDS, "releases")
_Erased = TypeVar("_Erased")


class UnsureError(StoreError):
    """The user was erased, and something that can't be read may still contain the user."""


def forget_remote(remote: Remote, user_id: int | str, erase: Callable[[Path], _Erased]) -> _Erased:
    """Erase a user from a store in an object store, and from the cache of this host.

    Args:
        remote: The store.
        user_id: The id of the user.
        erase: Erases the user from a folder that is a store. An UnsureError of it is raised after the rest is done.

    Returns:
        What `erase` returns.
    """
    root, registry = remote.root, Registry(remote.root)
    with Store(root).alone(), registry.lock():
        Forgotten.read(root).plus(user_id).write(root)
        push_file(root, FORGOTTEN)  # first: whatever is killed, no later run reads the user's rows
        with scratch_store(root, "erasing") as copy:
            there = _copy_down(remote, copy)
            before = (copy / LOG).read_bytes().count(b"\n") if (copy / LOG).is_file() else 0
            unsure = ""
            try:
                erased = erase(copy)
            except UnsureError as error:
                unsure = str(error).replace(str(copy), remote.name)
            _write_back(remote, copy, there)
            _record(registry, copy, before)
            for kind in (*_ALL, WORK, OUTLINES, "recommendations"):
                shutil.rmtree(root / kind, ignore_errors=True)
        if unsure:
            raise StoreError(unsure)
        return erased


def _copy_down(remote: Remote, copy: Path) -> list[StoredFolder]:
    """Copy a store to a folder; returns the folders that it has."""
    make_store(copy)
    folders, files = RemoteFolders(copy, remote.objects), RemoteFiles(copy, remote.objects)
    there = [folder for kind in _ALL for folder in folders.stored(kind)]
    for folder in there:
        if folder.commit is not None:
            folders.pull(folder.kind, folder.name)
    for name in files.names():
        files.pull(name)
    for name in (LOG, POINTER):
        if (remote.root / name).is_file():
            shutil.copyfile(remote.root / name, copy / name)
    return there


def _write_back(remote: Remote, copy: Path, there: list[StoredFolder]) -> None:
    """Make the object store what the copy is. Folders go before their inputs, and releases last."""
    folders = RemoteFolders(copy, remote.objects)
    for folder in reversed(there):
        manifest = copy / folder.kind / folder.name / MANIFEST
        if folder.commit is None or not manifest.is_file():
            folders.withdraw(folder)
            remote.objects.delete([each.key for each in folder.files])
        elif file_digest(manifest) != folder.commit.files[MANIFEST].digest:
            folders.replace(folder)
        remote.objects.delete([each.key for each in folder.unnamed])  # of uploads that died
    files = RemoteFiles(copy, remote.objects)
    for name in files.names():
        if not (copy / name).is_file():
            remote.files.remove(name)
        elif name.startswith("recommendations/"):
            files.push(name)
            (remote.root / name).unlink(missing_ok=True)


def _record(registry: Registry, copy: Path, before: int) -> None:
    """Add the new entries of the copy's log to that of the store."""
    lines = (copy / LOG).read_bytes().splitlines() if (copy / LOG).is_file() else []
    for line in lines[before:]:
        entry = json.loads(line)
        facts = {key: value for key, value in entry.items() if key not in ("at", "by", "action")}
        registry.record(entry["action"], **facts)
