"""Copy a store to a folder or an object store: a backup while the store is in use, and its restoration.

The copy is a store itself. A repeated backup compares the copy with its checksums, and copies what is new or damaged
there. It removes what the store no longer has, so that erased users and pruned releases leave the backup too.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError, StoreError
from matinee.maintenance.copies import (
    FOLDERS,
    OTHER_FILES,
    RELEASES,
    Copied,
    copy_files,
    copy_folders,
    remove_gone,
)
from matinee.maintenance.remote_backup import mirror_store
from matinee.maintenance.remote_restore import fetched, upload_store
from matinee.maintenance.removal import try_lock
from matinee.maintenance.root_files import RENEWED, check_erased, is_other, lost_lines, read_root
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.disk_errors import writing
from matinee.store.documents import (
    LOG,
    POINTER,
    Pointer,
    parse,
    read_as,
)
from matinee.store.entries import complete_folders
from matinee.store.files import write_bytes
from matinee.store.folders import remove_file
from matinee.store.identity import (
    BACKUP,
    RESTORING,
    RUNNING,
    check_complete,
    check_readable,
    check_usable,
    check_version,
    is_empty,
    is_store,
    make_copy,
    refuse_inner,
    refuse_link,
)
from matinee.store.locks import lock_folder
from matinee.store.paths import holds
from matinee.store.remote import address_of, local_store, remote_of

_ATTEMPTS: Final = 3
log = logging.getLogger(__name__)


def back_up(root: Path, target: Path) -> Copied:
    """Copy a store, also while runs use it.

    Args:
        root: The store, or its address in an object store.
        target: An empty or new folder, or an earlier backup, outside of the store. Or its address in an object store.

    Returns:
        What was copied. Folders that differ from their checksums, and damaged files at the root, are not copied: the
        earlier copy stays, and `damaged` names them.

    Raises:
        ConfigError: `root` is not a store, or `target` is not a folder, has other files, contains the store, or is a
            backup of another store or of a later state of this one, or its list of erased users has more users.
        ReleaseError: champion.json is damaged or missing.
        StoreError: A file can't be read or written, another process uses the backup, or a list of erased users is
            damaged.
    """
    registry, target = Registry.open(root), local_store(target)
    root = registry.root
    _check_places(root, target)
    registry.champion()  # before anything is created
    for kind in (*FOLDERS, *OTHER_FILES):
        refuse_link(root / kind)
        refuse_link(target / kind)
    if remote := remote_of(target):
        with remote.filling():
            return mirror_store(root, remote)
    _check_own(root, target)
    with writing(root), Store(root).reading(), writing(target):
        make_copy(target, BACKUP)
        with Store(target).alone():
            return _back_up(registry, target)


def _back_up(registry: Registry, target: Path) -> Copied:
    """Copy a store until the copy has the champion, which a run may replace meanwhile."""
    root = registry.root
    lost: list[str] = []
    if remote := remote_of(root):
        with registry.lock():
            remote.bring_all(damaged=lost)
    with registry.lock():
        _check_own(root, target)  # another backup may have filled it meanwhile
    for _ in range(_ATTEMPTS):
        with registry.lock():  # no line of the log is half written, and the pointer confirms it
            files, damaged = read_root(root, target)
            champion = registry.champion()
        copied = _copy(root, target, files)
        copied.damaged += lost
        if champion in (None, *copied.releases, *copied.damaged):
            copied.damaged += damaged
            _remove_gone(root, target, copied, is_backup=True)
            write_bytes(target / BACKUP, b"")
            return copied
    raise StoreError(f"The champion of {root} was removed while it was copied. Run the same command again.")


def restore(source: Path, root: Path) -> Copied:
    """Copy a backup to a new store. A restoration that was killed is continued by the next one.

    Args:
        source: The backup, which is not changed, or its address in an object store.
        root: An empty or new folder, or the address of an empty prefix.

    Returns:
        What was copied. Damaged parts of the backup are left out, and `damaged` names them.

    Raises:
        ConfigError: `source` is not a store, or `root` is not an empty folder.
        StoreError: A file can't be read or written, or a backup is being written.
    """
    source, root = local_store(source), local_store(root)
    _check_places(source, root)
    check_complete(source)
    check_version(source)
    if not is_store(source):
        raise ConfigError(
            f"There is no backup of a store at {source}. Use the folder of `matinee backup --out`."
        )
    remote = remote_of(root)
    if remote is None and not (root / RESTORING).is_file():
        if not is_empty(root):
            raise _not_empty(root)
        check_usable(root)
    with (
        fetched(source) as damaged,
        _not_changing(source),
        remote.filling() if remote else contextlib.nullcontext(),
    ):
        copied = upload_store(source, remote) if remote else _restore(source, root)
    copied.damaged += damaged
    return copied


def _restore(source: Path, root: Path) -> Copied:
    """Copy a backup on this host to a folder."""
    with writing(root):
        make_copy(root, RESTORING)
        with lock_folder(root / RUNNING):  # no other process restores to it
            if not (root / RESTORING).is_file():
                raise _not_empty(root)  # another restoration has filled it meanwhile
            files, damaged = read_root(source, root)
            copied = _copy(source, root, files)
            copied.damaged += damaged
            _remove_gone(source, root, copied, is_backup=False)
            (root / RESTORING).unlink(missing_ok=True)
        return copied


def _not_empty(root: Path) -> ConfigError:
    return ConfigError(
        f"{root} is not empty. Restore to a new folder, or move what is there. Nothing was changed."
    )


def _check_own(root: Path, target: Path) -> None:
    """Raise ConfigError if a folder has what the store lacks: the next backup would remove it.

    Such folders are another store, the backup of another store, and the backup of a later state of this one.
    """
    if not is_empty(target) and is_store(target) and not (target / BACKUP).is_file():
        raise ConfigError(f"{target} is a store and not a backup. Use a new folder. Nothing was changed.")
    if is_other(root, target):
        raise ConfigError(
            f"{target} is the backup of another store: it has no release and no line of {LOG} in common with "
            f"{address_of(root)}. Use a new folder. Nothing was changed."
        )
    if lost := lost_lines(root, target):
        raise ConfigError(
            f"The {LOG} of the backup {target} has lines that {address_of(root)} lacks ({lost:,} in all): the store is "
            "an older copy, or its log is damaged. Put the lines back, restore the backup, or use a new "
            "folder. Nothing was changed."
        )
    check_erased(root, target)


def _check_places(source: Path, target: Path) -> None:
    if holds(source, target) or holds(target, source) or _share_prefix(source, target):
        places = " and ".join(address_of(place) for place in (source, target))
        raise ConfigError(
            f"The store and its copy must not contain each other: {places}. Nothing was changed."
        )
    if remote_of(target):
        return
    check_readable(target)  # a name may also be too long
    refuse_inner(target)
    place = next((each for each in (target, *target.parents) if os.path.lexists(each)), None)
    if place is not None and not place.is_dir():
        raise ConfigError(
            f"{place} is a file or a device, and a copy is a folder. Use a new folder. Nothing was changed."
        )


def _share_prefix(one: Path, other: Path) -> bool:
    """Whether one of two stores in an object store is at a prefix of the other."""
    names = [f"{remote.name}/" for remote in (remote_of(one), remote_of(other)) if remote]
    return len(names) == 2 and (names[0].startswith(names[1]) or names[1].startswith(names[0]))


@contextlib.contextmanager
def _not_changing(source: Path) -> Iterator[None]:
    """Raise StoreError if a backup is being written to `source`; nothing is written there."""
    if not (source / RUNNING).is_dir():
        yield
        return
    with try_lock(source / RUNNING) as free:
        if not free:
            raise StoreError(
                f"Another process is using {source}. Run the same command again when it has ended."
            )
        yield


def _copy(source: Path, target: Path, files: dict[str, bytes]) -> Copied:
    """Copy new folders, and then the files at the root, so that an interrupted copy is whole."""
    copied = Copied()
    copy_folders(source, target, copied)
    copy_files(source, target, copied)
    for name, data in files.items():
        if name == POINTER and (champion := _champion_of(data, source)) not in copied.releases:
            log.warning("%s names %s, which has no copy, so it was not copied.", source / name, champion)
            copied.damaged.append(name)
            continue
        write_bytes(target / name, data)
    return copied


def _champion_of(pointer: bytes, root: Path) -> str:
    path = root / POINTER
    return Pointer.model_validate(parse(pointer, path)).version


def _remove_gone(source: Path, target: Path, copied: Copied, *, is_backup: bool) -> None:
    """Remove what the store no longer has, and a pointer to a release that the copy does not have."""
    remove_gone(source, target, copied, is_backup=is_backup)
    copied.releases = [folder.name for folder in complete_folders(target, RELEASES)]
    for name in RENEWED:
        if not (source / name).exists():
            remove_file(target / name)
    with contextlib.suppress(StoreError):
        copied.champion = read_as(target / POINTER, Pointer).version
    if copied.champion not in copied.releases:
        copied.champion = None
        remove_file(target / POINTER)
