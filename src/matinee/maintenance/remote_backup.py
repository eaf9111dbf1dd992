"""Keep a backup of a store in an object store: what is new is uploaded, and what the store lost is removed there.

Folders and files come first, then the new entries of the log, the last of which decides who is the champion. So a
backup that was interrupted leaves the last one as it was, and the next one continues.
"""

import json
import logging
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError, StoreError
from matinee.maintenance.copies import FOLDERS, RELEASES, Copied, digests_in, lost_searches
from matinee.maintenance.root_files import RENEWED, UPKEEP, check_erased
from matinee.maintenance.uploads import (
    LogLine,
    add_entries,
    lacking,
    lines_of,
    log_of,
    upload_files,
    upload_folders,
)
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.documents import LOG, TUNINGS
from matinee.store.entries import entries_of
from matinee.store.remote import Remote, remote_of
from matinee.store.remote.eviction import announce_pruned, remove_cached
from matinee.store.remote.restoring import UNFINISHED, check_restored

_MARK: Final = "backup.json"  # in the object store: nothing is removed from any other store

log = logging.getLogger(__name__)


def mirror_store(root: Path, remote: Remote) -> Copied:
    """Copy a store to a backup in an object store, also while runs use it.

    Args:
        root: The store, or the cache of one in an object store.
        remote: The backup, which is an empty prefix or an earlier backup.

    Returns:
        What was copied. Damaged folders and files are left out, their earlier copies stay, and `damaged` names them.

    Raises:
        ConfigError: The prefix has something else, a backup of another store or of a later state of this one, or a
            backup whose list of erased users has more users.
        StoreError: The object store can't be read or written, a restoration to the prefix has not finished, another
            process uses the backup, a list of erased users is damaged, or the champion was removed meanwhile.
    """
    registry, store, copied = Registry(root), Store.open(remote.root), Copied()
    with Store(root).reading(), store.alone(), Registry(store.root).lock():
        with registry.lock():  # no entry of the log is half written, and the pointer confirms it
            if source := remote_of(root):
                source.bring_all(damaged=copied.damaged)
            lines, champion = log_of(root)
        _check_target(remote, lines, root)
        if not remote.objects.exists(_MARK):
            remote.objects.put(UNFINISHED, b"{}")
            remote.objects.put(_MARK, b"{}")
        upload_folders(remote, root, copied)
        files = upload_files(remote, root, copied)
        if _has_champion(remote, champion, root, copied):
            add_entries(remote, lines)
            _remove_gone(remote, root, copied, files=files)
            remote.objects.delete([UNFINISHED])
        else:
            copied.damaged.append(LOG)
    copied.releases = Registry(store.root).versions()
    copied.champion = Registry(store.root).champion()
    return copied


def _check_target(remote: Remote, lines: list[LogLine], root: Path) -> None:
    """Raise ConfigError if the prefix is not empty and not a backup of this store."""
    check_restored(remote.objects)
    there = lines_of(remote)
    if not remote.objects.exists(_MARK) and (
        there or any(remote.objects.list(f"{kind}/") for kind in (*FOLDERS, "files"))
    ):
        raise ConfigError(
            f"{remote.name} is a store and not a backup. Use an empty prefix. Nothing was changed."
        )
    if _is_other(remote, root, there):
        raise ConfigError(
            f"{remote.name} is the backup of another store: it has no folder and no entry of the log in common with "
            f"{root}. Use an empty prefix. Nothing was changed."
        )
    if lacking(there, lines) is None:
        raise ConfigError(
            f"The backup {remote.name} has entries that {root / LOG} lacks: the store is another one or an older copy, "
            "or its log is damaged. Put the lines back, restore the backup, or use an empty prefix. Nothing was "
            "changed."
        )
    check_erased(root, remote.root)


def _is_other(remote: Remote, root: Path, there: list[bytes]) -> bool:
    """Whether a backup without changes in its log has folders or searches, and none of those of a store."""
    if any(json.loads(line).get("action") not in UPKEEP for line in there):
        return False
    names = {f"{kind}/{name}" for kind in FOLDERS if kind != RELEASES for name in remote.folders.names(kind)}
    names |= {
        "/".join(name.split("/")[:2]) for name in remote.files.names() if name.startswith(f"{TUNINGS}/")
    }
    return bool(names) and names.isdisjoint(digests_in(root))


def _has_champion(remote: Remote, champion: str | None, root: Path, copied: Copied) -> bool:
    """Whether the champion has a copy. Raises StoreError if it was removed while it was to be copied."""
    if champion is None or remote.folders.has(RELEASES, champion):
        return True
    if not (root / RELEASES / champion).is_dir() and champion not in copied.damaged:
        raise StoreError(
            f"The champion of {root} was removed while it was copied. Run the same command again."
        )
    log.warning(
        "%s names %s as the champion, which has no copy, so its new lines were not copied.",
        root / LOG,
        champion,
    )
    return False


def _remove_gone(remote: Remote, root: Path, copied: Copied, *, files: set[str]) -> None:
    """Remove what the store no longer has, and what interrupted uploads have left. Copies of damaged folders stay."""
    gone: list[tuple[str, str]] = []
    for kind in FOLDERS:
        there = {folder.name for folder in entries_of(root, kind)} | {*copied.damaged}
        for folder in remote.folders.stored(kind):
            if folder.name not in there and folder.commit is not None:
                remote.folders.withdraw(folder)
                remote.objects.delete([each.key for each in folder.files])
                remove_cached(remote.root, kind, folder.name)
                gone.append((kind, folder.name))
            remote.objects.delete([each.key for each in folder.unnamed])
    searches = {name.split("/")[1] for name in remote.files.names() if name.startswith(f"{TUNINGS}/")}
    lost = tuple(f"{TUNINGS}/{search}/" for search in lost_searches(root, searches))
    for name in remote.files.names():
        if name.startswith(lost):
            continue
        if name not in files and ("/" in name or name in RENEWED):
            remote.files.remove(name)
            copied.removed += 1
    announce_pruned(remote.files, gone)
    copied.removed += len(gone)
