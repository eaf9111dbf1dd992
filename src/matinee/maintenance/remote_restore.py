"""Copy a store on this host, such as a backup, to an empty store in an object store; and bring a copy there here.

The log is read first and written last, so the copy has all that its log names, and one that was interrupted in between
has no champion. The same command continues it: `restoring.json` shows that the store there is not in use yet.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from matinee.errors import ConfigError, StoreError
from matinee.maintenance.copies import FOLDERS, RELEASES, Copied
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
from matinee.store.identity import MARKER
from matinee.store.remote import Remote, remote_of
from matinee.store.remote.restoring import RESTORING, UNFINISHED, check_complete


def upload_store(source: Path, remote: Remote) -> Copied:
    """Copy a store to an object store.

    Args:
        source: The store on this host. A run that is active there may add folders meanwhile.
        remote: The store in the object store, which must have no log but that of a copy that was killed.

    Returns:
        What was copied. Damaged folders are left out, and `damaged` names them.

    Raises:
        ConfigError: The store in the object store is in use already.
        StoreError: The champion left the source meanwhile, or is damaged there, or the first backup to this prefix has
            not finished.
    """
    root, copied = remote.root, Copied()
    with Store.open(root).in_use(), Registry.open(root).lock():
        lines, champion = log_of(source)
        _check_unused(remote, lines)
        remote.objects.put(RESTORING, b"{}")
        upload_folders(remote, source, copied)
        upload_files(remote, source, copied)
        if champion and not remote.folders.has(RELEASES, champion):
            raise StoreError(
                f"The champion {champion} was removed from {source} while it was copied, or is damaged there. Run the "
                "same command again. If it fails again, restore to a folder, which leaves a damaged champion out."
            )
        add_entries(remote, lines)
        remote.objects.delete([RESTORING])
    copied.releases = Registry.open(root).versions()
    copied.champion = Registry.open(root).champion()
    return copied


@contextlib.contextmanager
def fetched(source: Path) -> Iterator[list[str]]:
    """During the block, the cache of a store in an object store has all of it; a store on this host has it anyway.

    The block gets the names of folders that are damaged there, which the cache does not have.

    Raises:
        ConfigError: There is no store or no bucket.
        StoreError: It can't be read, or its own restoration or first backup has not finished.
    """
    remote = remote_of(source)
    damaged: list[str] = []
    if remote is None:
        yield damaged
        return
    if remote.objects.get(MARKER) is None:
        raise ConfigError(
            f"There is no backup of a store at {remote.name}. Use the address of `matinee backup --out`."
        )
    registry = Registry.open(source)
    _check_whole(remote)
    with Store(source).in_use():
        with registry.lock():
            remote.bring_all(damaged=damaged)
        yield damaged


def _check_whole(remote: Remote) -> None:
    """Raise StoreError for a store there that its own restoration or first backup has not filled yet."""
    check_complete(remote.objects)
    if not lines_of(remote) and not any(map(remote.folders.names, FOLDERS)):
        raise StoreError(
            f"{remote.name} is empty: nothing was backed up to it yet. Run `matinee backup` first."
        )


def _check_unused(remote: Remote, lines: list[LogLine]) -> None:
    """Raise ConfigError if the store there is in use. What a copy that was killed has written is the same."""
    if remote.objects.exists(UNFINISHED):
        raise ConfigError(
            f"{remote.name} has a backup that has not finished. Restore to an empty prefix. Nothing was changed."
        )
    there = lines_of(remote)
    if there and (not remote.objects.exists(RESTORING) or lacking(there, lines) is None):
        raise ConfigError(
            f"The store {remote.name} has releases or a log already. Restore to an empty prefix. Nothing was changed."
        )
