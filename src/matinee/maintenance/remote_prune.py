"""Prune a store in an object store.

What goes is decided as in a folder: on an outline of the store, a temporary folder with its JSON files and no data.
Then the manifests of what goes are removed, the leases of runs are read again, and what a run has begun to use since
gets its manifest back. Only then are files removed. A run writes its lease before it looks for a manifest, so it
finds the folder absent, or its lease is seen.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from matinee.maintenance.pruned import Pruned
from matinee.maintenance.scratch import scratch_store
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.documents import KINDS, LOG, MANIFEST, POINTER, TUNINGS
from matinee.store.identity import RUNNING, make_store
from matinee.store.locks import lock_folder
from matinee.store.remote import Remote
from matinee.store.remote.eviction import announce_pruned, remove_cached
from matinee.store.remote.leases import Lease
from matinee.store.remote.server import PROBES, server_time
from matinee.store.remote.stored import StoredFolder
from matinee.store.remote.transfers import transfer_all
from matinee.store.remote.withdrawals import withdrawing

_ALL: Final = (*KINDS, "releases")
_ABANDONED: Final = timedelta(days=1)  # after which files that belong to no folder are of an upload that died
_LOCK: Final = f"{os.getpid()}-0"

Folders = dict[tuple[str, str], StoredFolder]


def prune_remote(remote: Remote, decide: Callable[[Path], Pruned]) -> Pruned:
    """Remove what is not needed any more.

    Args:
        remote: The store.
        decide: Prunes a folder that is a store.

    Returns:
        What was removed and what was kept.
    """
    registry = Registry(remote.root)
    with Store(remote.root).in_use(), registry.lock(), scratch_store(remote.root, "pruning") as outline:
        remote.leases.clear_dead()
        leases = remote.leases.live()
        there: Folders = {
            (folder.kind, folder.name): folder for kind in _ALL for folder in remote.folders.stored(kind)
        }
        whole = {place: folder for place, folder in there.items() if folder.commit is not None}
        refers = _write_outline(remote, outline, whole, leases)
        with _active(outline, min(lease.started for lease in leases)):
            done = _prune_outline(remote, registry, outline, decide)
        gone = [place for place in whole if not (outline / place[0] / place[1] / MANIFEST).is_file()]
        removed = _remove(remote, {place: whole[place] for place in gone}, refers)
        held_removed = [name for name in done.held_removed if name in {each for _, each in removed}]
        for candidate in held_removed:
            registry.record("prune", candidate=candidate)
        announce_pruned(remote.files, removed)
        _remove_abandoned(remote, there, leases)
    size = done.bytes + sum(whole[place].size for place in removed)
    return replace(
        done,
        held_removed=held_removed,
        releases=[name for kind, name in removed if kind == "releases"],
        folders=sum(kind != "releases" for kind, _ in removed) + done.searches,
        bytes=size,
    )


def _prune_outline(
    remote: Remote, registry: Registry, outline: Path, decide: Callable[[Path], Pruned]
) -> Pruned:
    """Prune the outline, remove the same plain files there, and add the new entries of its log to that of the store."""
    files = [name for name in remote.files.names() if "/" in name and (outline / name).exists()]
    files = [name for name in files if not name.startswith(f"{TUNINGS}/")]
    before, searches, size = len(_lines(outline)), 0, 0
    done = decide(outline)
    for line in _lines(outline)[before:]:
        entry = json.loads(line)
        if "version" in entry:
            registry.record(entry["action"], version=entry["version"])
        if study := entry.get("search"):
            freed = sum(each.size for each in remote.files.listed(f"{TUNINGS}/{study}/"))
            if remote.searches.remove(study):
                registry.record(entry["action"], search=study)
                searches, size = searches + 1, size + freed
    for name in files:  # not those that came later
        if not (outline / name).exists():
            remote.files.remove(name)
    return replace(done, searches=searches, bytes=size)


def _write_outline(
    remote: Remote, outline: Path, whole: Folders, leases: list[Lease]
) -> dict[tuple[str, str], set[str]]:
    """Write the JSON files of a store; returns the texts in those of each folder, which name other folders."""
    make_store(outline)
    for name in (LOG, POINTER):
        with contextlib.suppress(FileNotFoundError):
            (outline / name).write_bytes((remote.root / name).read_bytes())
    used_searches = {study for study in remote.searches.names() if remote.searches.is_extended(study)}
    for each in remote.files.listed():
        name = each.key.removeprefix("files/")
        if not (name.startswith(f"{TUNINGS}/") and name.split("/")[1] in used_searches):
            (outline / name).parent.mkdir(parents=True, exist_ok=True)
            (outline / name).touch()
            os.utime(outline / name, (each.modified.timestamp(), each.modified.timestamp()))
    used = {use for lease in leases for use in lease.uses}
    refers = {}
    for (kind, name), folder in whole.items():
        target = outline / kind / name
        target.mkdir(parents=True)
        texts = remote.folders.read_json(folder)
        for file, data in texts.items():
            (target / file).write_bytes(data)
        # Prune keeps what is not older than the oldest run, and what that refers to.
        moment = time.time() + 60 if f"{kind}/{name}" in used else 0
        os.utime(target, (moment, moment))
        joined = b" ".join(texts.values())
        refers[kind, name] = {other for _, other in whole if other.encode() in joined}
    return refers


@contextlib.contextmanager
def _active(outline: Path, started: datetime) -> Iterator[None]:
    """Hold a run lock in the outline that is as old as the oldest run of any host."""
    lock = outline / RUNNING / _LOCK
    with lock_folder(lock):
        # By the clock of the server, which may be ahead: a lock from the future would stop the prune.
        moment = min(int(started.timestamp() * 1e9), lock.stat().st_mtime_ns)
        os.utime(lock, ns=(moment, moment))
        yield
        with contextlib.suppress(OSError):
            lock.rmdir()


def _lines(outline: Path) -> list[bytes]:
    with contextlib.suppress(FileNotFoundError):
        return (outline / LOG).read_bytes().splitlines()
    return []


def _remove(remote: Remote, gone: Folders, refers: dict[tuple[str, str], set[str]]) -> list[tuple[str, str]]:
    """Remove folders that no run has begun to use meanwhile; returns those that were removed."""
    with withdrawing(remote.objects, gone):
        transfer_all(partial(remote.folders.withdraw, folder) for folder in gone.values())
        wanted = {use.partition("/")[2] for lease in remote.leases.live() for use in lease.uses}
        while more := {name for place in gone if place[1] in wanted for name in refers[place]} - wanted:
            wanted |= more
        transfer_all(
            partial(remote.folders.put_back, folder) for (_, name), folder in gone.items() if name in wanted
        )
    removed = [place for place in gone if place[1] not in wanted]
    for place in removed:
        remote.objects.delete([each.key for each in gone[place].files])
        remove_cached(remote.root, *place)
    return removed


def _remove_abandoned(remote: Remote, there: Folders, leases: list[Lease]) -> None:
    """Remove files of uploads that died: of no folder, older than a day and than every active run."""
    limit = min([server_time(remote.objects) - _ABANDONED, *(lease.started for lease in leases)])
    for folder in there.values():
        left = [each.key for each in folder.unnamed if each.modified < limit]
        remote.objects.delete(left)
    remote.objects.delete([each.key for each in remote.objects.list(PROBES) if each.modified < limit])
