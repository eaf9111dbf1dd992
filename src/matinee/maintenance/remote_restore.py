"""Copy a store on this host, such as a backup, to an empty store in an object store.

Folders come first and the log last, so a copy that was interrupted has no champion. The same command continues it.
"""

import logging
import shutil
from pathlib import Path

from matinee.errors import ConfigError, ReleaseError
from matinee.maintenance.copies import FOLDERS, RELEASES, Copied
from matinee.registry import Registry
from matinee.registry.log import ChangeLog, confirmed
from matinee.release import verify
from matinee.store import Store
from matinee.store.checksums import find_damage
from matinee.store.digests import file_digest
from matinee.store.documents import MANIFEST
from matinee.store.entries import complete_folders
from matinee.store.files import copy_tree, write_bytes
from matinee.store.folders import bytes_in, remove_tree
from matinee.store.remote import Remote, remote_of
from matinee.store.remote.files import FOLDERS as FILE_FOLDERS
from matinee.store.remote.files import ROOT_FILES

log = logging.getLogger(__name__)


def upload_store(source: Path, root: Path) -> Copied:
    """Copy a store to an object store.

    Args:
        source: The store on this host, which no process may change meanwhile.
        root: The cache of the store in the object store, which must have no log.

    Returns:
        What was copied. Damaged folders are left out, and `damaged` names them.

    Raises:
        ConfigError: The store in the object store is in use already.
    """
    store = Store.open(root)
    remote = remote_of(store.root)
    if remote is None or remote.log.refresh():
        raise ConfigError(
            f"The store {remote.name if remote else root} has releases or a log already. Restore to an empty prefix. "
            "Nothing was changed."
        )
    copied = Copied()
    with store.in_use(), Registry.open(root).lock():
        for kind in FOLDERS:
            for folder in complete_folders(source, kind):
                _upload(remote, folder, kind, copied)
        for name in _files_of(source):
            write_bytes(remote.root / name, (source / name).read_bytes())
            remote.files.push(name)
            copied.bytes += (source / name).stat().st_size
        champion = Registry(source).champion()
        _upload_log(source, remote, champion)
    copied.releases = Registry.open(root).versions()
    copied.champion = Registry.open(root).champion()
    return copied


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
    remote.folders.push(kind, folder.name)
    copied.folders += 1
    copied.bytes += bytes_in(target)
    shutil.rmtree(target)  # fetched again when it is used


def _files_of(source: Path) -> list[str]:
    inside = [path for folder in FILE_FOLDERS for path in sorted((source / folder).glob("[!.]*"))]
    names = [*ROOT_FILES, *(path.relative_to(source).as_posix() for path in inside)]
    return [name for name in names if (source / name).is_file() and not (source / name).is_symlink()]


def _upload_log(source: Path, remote: Remote, champion: str | None) -> None:
    """Add the entries of a log. A change that did not take place is left out: there, each entry counts."""
    entries = ChangeLog(source).entries()
    moves = confirmed(entries, champion)
    for entry in entries:
        if not entry.is_move or entry in moves:
            remote.record(entry.model_dump_json(exclude_unset=True).encode(), moves=entry.is_move)
