"""Copy the parts of a store to an object store, each read back and compared after it was written."""

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matinee.errors import StoreError
from matinee.maintenance.copies import FOLDERS, Copied, damage_of, plain_files, unchanging, whole_folders
from matinee.maintenance.root_files import UPKEEP, read_root
from matinee.registry import Registry
from matinee.registry.log import ChangeLog, confirmed
from matinee.release.manifest import SIGNATURE
from matinee.store.digests import file_digest
from matinee.store.documents import LOG, MANIFEST, POINTER
from matinee.store.files import copy_tree, replacing, write_bytes
from matinee.store.folders import bytes_in, remove_tree
from matinee.store.locks import lock_folder
from matinee.store.remote import Remote
from matinee.store.remote.log import parse_entry
from matinee.store.remote.stored import DamagedFolderError, StoredFolder

_IN_LOG: Final = (LOG, POINTER)  # both are made from the entries of the log there

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogLine:
    """An entry of a log, as an object store has it."""

    data: bytes
    is_move: bool


def log_of(source: Path) -> tuple[list[LogLine], str | None]:
    """The entries of a log without changes that did not take place, because there each entry counts; the champion."""
    champion = Registry(source).champion()
    entries = ChangeLog(source).entries()
    moves = confirmed(entries, champion)
    return [
        LogLine(entry.model_dump_json(exclude_unset=True).encode(), entry.is_move)
        for entry in entries
        if not entry.is_move or entry in moves
    ], champion


def lines_of(remote: Remote) -> list[bytes]:
    """The entries of the log there."""
    return (remote.root / LOG).read_bytes().splitlines() if remote.log.refresh() else []


def lacking(there: list[bytes], lines: list[LogLine]) -> list[LogLine] | None:
    """The entries that a copy of a log lacks at its end; None if it is no copy.

    Entries of `prune` and `forget` that only the copy has do not matter: they were run on the copy. Nor do entries that
    it lacks between others: they were damaged in the log when it was copied, and entries are only appended.
    """
    ours = [json.loads(line.data) for line in lines]
    done = 0
    for entry in map(parse_entry, there):
        if entry in ours[done:]:
            done = ours.index(entry, done) + 1
        elif entry.get("action") not in UPKEEP:
            return None
    return lines[done:]


def upload_folders(remote: Remote, source: Path, copied: Copied) -> None:
    """Upload the whole folders of a store that the object store lacks or has in another form.

    Damaged ones are left out, and named in `copied`. Raises StoreError if what was written can't be read back.
    """
    for kind in FOLDERS:
        there = {folder.name: folder for folder in remote.folders.stored(kind)}
        for folder in whole_folders(source, kind, copied):
            _upload(remote, folder, copied, there=there.get(folder.name))


def upload_files(remote: Remote, source: Path, copied: Copied) -> set[str]:
    """Upload lists, titles, searches and the files at the root of a store that differ; returns the names of all."""
    files, damaged = read_root(source, remote.root, exclude=_IN_LOG)
    copied.damaged += damaged
    for name, data in files.items():
        if not remote.files.pull(name) or (remote.root / name).read_bytes() != data:
            remote.files.drop_state(name)  # if the push fails, the next backup compares with the object
            write_bytes(remote.root / name, data)
            _push(remote, name, copied)
    paths = {path.relative_to(source).as_posix(): path for path in plain_files(source)}
    for name, path in paths.items():
        here = remote.root / name
        before = file_digest(here) if remote.files.pull(name) else None
        here.parent.mkdir(parents=True, exist_ok=True)
        with unchanging(path), replacing(here) as fresh:
            shutil.copyfile(path, fresh)
            is_new = file_digest(fresh) != before
            if is_new:
                remote.files.drop_state(name)
        if is_new:
            _push(remote, name, copied)
    return {*files, *damaged, *paths}


def add_entries(remote: Remote, lines: list[LogLine]) -> None:
    """Add the entries of a log that the one there lacks at its end; the last one decides who is the champion."""
    for line in lacking(lines_of(remote), lines) or ():
        remote.record(line.data, moves=line.is_move)


def _upload(remote: Remote, folder: Path, copied: Copied, *, there: StoredFolder | None) -> None:
    kind, name = folder.parent.name, folder.name
    if there is not None and _is_there(there, folder):
        if not (damage := damage_of(folder, folder)):
            copied.unchanged += 1
            return
        if _is_there(there, folder):  # `forget` has not replaced it meanwhile
            log.warning("%s is damaged, and its earlier copy stays: %s", folder, damage)
            copied.damaged.append(name)
            return
    here = remote.root / kind / name
    remove_tree(here, ignore_errors=True)
    try:
        damage = _take(folder, here)
        if not damage:
            size = bytes_in(here)
            _write(remote, kind, name, there=there)
            copied.folders += 1
            copied.bytes += size
    finally:
        remove_tree(here, ignore_errors=True)  # fetched again when it is used
    if damage and folder.is_dir():
        log.warning("%s is damaged and was not copied: %s", folder, damage)
        copied.damaged.append(name)


def _take(folder: Path, here: Path) -> str:
    """Copy a folder to the cache as a whole, or not at all; returns what is wrong with it."""
    partial = here.with_name(f"{here.name}.partial")
    with lock_folder(partial):
        try:
            copy_tree(folder, partial)
            damage = damage_of(folder, partial)
            if not damage:
                partial.rename(here)
                return ""
        except FileNotFoundError:
            damage = "it is gone"
        except BaseException:
            remove_tree(partial, ignore_errors=True)
            raise
        remove_tree(partial, ignore_errors=True)
    return damage


def _write(remote: Remote, kind: str, name: str, *, there: StoredFolder | None) -> None:
    """Upload a folder of the cache, which is read back and compared with its digests before it counts."""
    try:
        if there is not None and there.commit is not None:
            remote.folders.replace(there, reads_back=True)
        elif not remote.folders.push(kind, name, reads_back=True):
            raise StoreError(
                f"Another process has written {kind}/{name} of {remote.name} meanwhile. Run the same command again."
            )
    except DamagedFolderError:
        raise StoreError(
            f"{remote.name}/{kind}/{name} differs from what was written. Run the same command again; if it fails "
            "again, check the disk of the cache and the bucket."
        ) from None


def _is_there(there: StoredFolder, folder: Path) -> bool:
    """Whether the object store has a folder: its manifest and signature are equal, and all objects have their sizes."""
    if there.commit is None:
        return False
    held = there.commit.files
    sizes = {each.key.split("/", 3)[3]: each.size for each in there.files}
    if sizes != {name: file.size for name, file in held.items()}:
        return False
    marks = {name: folder / name for name in (MANIFEST, SIGNATURE) if (folder / name).is_file()}
    return marks.keys() == {MANIFEST, SIGNATURE} & held.keys() and all(
        file_digest(path) == held[name].digest for name, path in marks.items()
    )


def _push(remote: Remote, name: str, copied: Copied) -> None:
    copied.bytes += (remote.root / name).stat().st_size
    if not remote.files.push(name, reads_back=True):
        raise StoreError(
            f"The object of {name} in {remote.name} differs from the file. Run the same command again."
        )
