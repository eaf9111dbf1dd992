"""Copy a store on this host, such as a backup, to an empty store in an object store.

The log is read first and written last, so the copy has all that its log names, and one that was interrupted in between
has no champion. The same command continues it: `restoring.json` shows that the store there is not in use yet.
"""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError, ReleaseError, StoreError
from matinee.maintenance.copies import FOLDERS, RELEASES, Copied
from matinee.registry import Registry
from matinee.registry.log import ChangeLog, confirmed
from matinee.release import verify
from matinee.store import Store
from matinee.store.checksums import find_damage
from matinee.store.digests import file_digest
from matinee.store.documents import LOG, MANIFEST
from matinee.store.entries import complete_folders
from matinee.store.files import copy_tree, replacing
from matinee.store.folders import bytes_in, remove_tree
from matinee.store.remote import Remote, remote_of
from matinee.store.remote.files import FOLDERS as FILE_FOLDERS
from matinee.store.remote.files import ROOT_FILES

_MARK: Final = "restoring.json"  # in the object store: a copy has begun

log = logging.getLogger(__name__)


def upload_store(source: Path, root: Path) -> Copied:
    """Copy a store to an object store.

    Args:
        source: The store on this host. A run that is active there may add folders meanwhile.
        root: The cache of the store in the object store, which must have no log but that of a copy that was killed.

    Returns:
        What was copied. Damaged folders are left out, and `damaged` names them.

    Raises:
        ConfigError: The store in the object store is in use already.
        StoreError: The champion left the source meanwhile.
    """
    store = Store.open(root)
    remote = remote_of(store.root)
    if remote is None:
        raise ConfigError(f"{root} is not the cache of a store in an object store.")
    copied = Copied()
    with store.in_use(), Registry.open(root).lock():
        lines, champion = _log_of(source)
        _check_unused(remote, lines)
        remote.objects.put(_MARK, b"{}")
        for kind in FOLDERS:
            for folder in complete_folders(source, kind):
                _upload(remote, folder, kind, copied)
        for name in _files_of(source):
            (remote.root / name).parent.mkdir(parents=True, exist_ok=True)
            with replacing(remote.root / name) as fresh:
                shutil.copyfile(source / name, fresh)
            remote.files.push(name)
            copied.bytes += (source / name).stat().st_size
        if champion and not (source / RELEASES / champion).is_dir():
            raise StoreError(
                f"The champion {champion} was removed from {source} while it was copied. Run the same command again."
            )
        for line in lines[remote.log.refresh() :]:
            remote.record(line.data, moves=line.is_move)
        remote.objects.delete([_MARK])
    copied.releases = Registry.open(root).versions()
    copied.champion = Registry.open(root).champion()
    return copied


@dataclass(frozen=True)
class _Line:
    """An entry of a log, as the object store has it."""

    data: bytes
    is_move: bool


def _log_of(source: Path) -> tuple[list[_Line], str | None]:
    """The entries of a log without changes that did not take place, because there each entry counts; the champion."""
    champion = Registry(source).champion()
    entries = ChangeLog(source).entries()
    moves = confirmed(entries, champion)
    return [
        _Line(entry.model_dump_json(exclude_unset=True).encode(), entry.is_move)
        for entry in entries
        if not entry.is_move or entry in moves
    ], champion


def _check_unused(remote: Remote, lines: list[_Line]) -> None:
    """Raise ConfigError if the store there is in use. What a copy that was killed has written is the same."""
    there = (remote.root / LOG).read_bytes().splitlines() if remote.log.refresh() else []
    if there and (not remote.objects.exists(_MARK) or there != [line.data for line in lines[: len(there)]]):
        raise ConfigError(
            f"The store {remote.name} has releases or a log already. Restore to an empty prefix. Nothing was changed."
        )


def _upload(remote: Remote, folder: Path, kind: str, copied: Copied) -> None:
    damage = "" if kind == RELEASES else ", ".join(find_damage(folder)[0])
    if kind == RELEASES:
        try:
            verify(folder, public_key=False)
        except ReleaseError as error:
            damage = str(error)
    if damage:
        log.warning("%s is damaged and was not copied: %s", folder, damage)
        copied.damaged.append(folder.name)
        return
    target = remote.root / kind / folder.name
    outline = remote.folders.outline(kind, folder.name)
    if outline and file_digest(outline / MANIFEST) == file_digest(folder / MANIFEST):
        copied.unchanged += 1
        return
    remove_tree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_tree(folder, target)
    if not remote.folders.push(kind, folder.name) and kind == RELEASES:
        raise ConfigError(
            f"The store {remote.name} has another release {folder.name} already. Restore to an empty prefix."
        )
    copied.folders += 1
    copied.bytes += bytes_in(target)
    shutil.rmtree(target)  # fetched again when it is used


def _files_of(source: Path) -> list[str]:
    inside = [path for folder in FILE_FOLDERS for path in sorted((source / folder).glob("[!.]*"))]
    names = [*ROOT_FILES, *(path.relative_to(source).as_posix() for path in inside)]
    return [name for name in names if (source / name).is_file() and not (source / name).is_symlink()]
