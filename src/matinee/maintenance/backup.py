"""Copy a store to another folder: a backup while the store is in use, and its restoration.

The copy is a store itself. A repeated backup copies only what is new, and removes what the store no longer has, so that
erased users and pruned releases leave the backup too.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError, ReleaseError, StoreError
from matinee.registry import Registry
from matinee.release import read_manifest
from matinee.release.manifest import SIGNATURE
from matinee.store import Store, progress
from matinee.store.checksums import find_damage, sync_folder
from matinee.store.disk_errors import writing
from matinee.store.documents import DONE, FORGOTTEN, KINDS, LOG, MANIFEST, POINTER, SERIES, TUNINGS
from matinee.store.files import copy_tree, replacing, write_bytes
from matinee.store.identity import entries_of, is_empty, is_store, make_store, refuse_link
from matinee.store.locks import lock_folder
from matinee.store.paths import holds

_RELEASES: Final = "releases"
_FOLDERS: Final = (*KINDS, _RELEASES)
_ROOT_FILES: Final = (FORGOTTEN, SERIES, "progressive.png", DONE, LOG, POINTER)  # the pointer comes last
_OTHER_FILES: Final = ("recommendations", "titles", TUNINGS)
_ATTEMPTS: Final = 3
_MARK: Final = "matinee-backup"  # in a backup: nothing is removed from any other store

log = logging.getLogger(__name__)


@dataclass
class Copied:
    """What a backup or a restoration did."""

    champion: str | None = None
    releases: list[str] = field(default_factory=list)  # all that the copy has
    folders: int = 0  # copied
    unchanged: int = 0
    removed: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)  # folders that were not copied


def back_up(root: Path, target: Path) -> Copied:
    """Copy a store, also while runs use it.

    Args:
        root: The store.
        target: An empty or new folder, or an earlier backup, outside of the store.

    Returns:
        What was copied. Files that differ from their checksums are not copied; `damaged` names their folders.

    Raises:
        ConfigError: `root` is not a store, or `target` is a folder with other files or contains the store.
        StoreError: A file can't be read or written, or another process uses the backup.
    """
    _check_apart(root, target)
    registry = Registry.open(root)
    for kind in (*_FOLDERS, *_OTHER_FILES):
        refuse_link(root / kind)
        refuse_link(target / kind)
    if not is_empty(target) and is_store(target) and not (target / _MARK).is_file():
        raise ConfigError(f"{target} is a store and not a backup. Use a new folder. Nothing was changed.")
    with writing(root), Store(root).in_use(), writing(target):
        make_store(target)
        write_bytes(target / _MARK, b"")
        with Store(target).alone():
            for _ in range(_ATTEMPTS):
                with registry.lock():  # no line of the log is half written, and the pointer confirms it
                    files = _read_root(root)
                    champion = registry.champion()
                copied = _copy(root, target, files)
                if champion in (None, *copied.releases, *copied.damaged):
                    copied.champion = champion
                    _remove_gone(root, target, copied)
                    copied.releases = [folder.name for folder in _whole(target, _RELEASES)]
                    return copied
    raise StoreError(f"The champion of {root} was removed while it was copied. Run the same command again.")


def restore(source: Path, root: Path) -> Copied:
    """Copy a backup to a new store.

    Args:
        source: The backup, which is not changed.
        root: An empty or new folder.

    Returns:
        What was copied.

    Raises:
        ConfigError: `source` is not a store, or `root` is not empty.
        StoreError: A file can't be read or written.
    """
    _check_apart(source, root)
    if not is_store(source):
        raise ConfigError(
            f"There is no backup of a store at {source}. Use the folder of `matinee backup --out`."
        )
    if not is_empty(root):
        raise ConfigError(
            f"{root} is not empty. Restore to a new folder, or move what is there. Nothing was changed."
        )
    with writing(root):
        make_store(root)
        with Store(root).alone():
            copied = _copy(source, root, _read_root(source))
            copied.champion = Registry(root).champion()
            return copied


def _check_apart(root: Path, target: Path) -> None:
    if holds(root, target) or holds(target, root):
        raise ConfigError(
            f"The store and its copy must not contain each other: {root} and {target}. Nothing was changed."
        )


def _read_root(root: Path) -> dict[str, bytes]:
    """The files at the root of a store, except for links."""
    paths = [root / name for name in _ROOT_FILES]
    return {path.name: path.read_bytes() for path in paths if path.is_file() and not path.is_symlink()}


def _copy(source: Path, target: Path, files: dict[str, bytes]) -> Copied:
    """Copy new folders, and then the files at the root, so that an interrupted copy is whole."""
    copied = Copied()
    for kind in _FOLDERS:
        whole = _whole(source, kind)
        for folder in [each for each in entries_of(source, kind) if not each.suffix and each not in whole]:
            log.warning("%s has no manifest and was not copied.", folder)
            copied.damaged.append(folder.name)
        progress.begin(f"copying {kind}", total=progress.size_of(whole), unit="bytes")
        for folder in whole:
            _copy_folder(folder, target / kind / folder.name, copied)
    _copy_files(source, target, copied)
    for name, data in files.items():
        write_bytes(target / name, data)
    copied.releases = [folder.name for folder in _whole(target, _RELEASES)]
    return copied


def _whole(root: Path, kind: str) -> list[Path]:
    return [
        folder for folder in entries_of(root, kind) if not folder.suffix and (folder / MANIFEST).is_file()
    ]


def _copy_folder(source: Path, target: Path, copied: Copied) -> None:
    """Copy a folder, check the copy against its checksums, and give it its name."""
    try:
        if _marks(source) == _marks(target):
            copied.unchanged += 1
            progress.advance(progress.size_of([target]))
            return
    except FileNotFoundError:  # not there yet, or removed by prune
        pass
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with lock_folder(partial):
        try:
            copy_tree(source, partial)
        except FileNotFoundError:
            shutil.rmtree(
                partial
            )  # prune or forget took the folder: the next attempt or backup sees what is there
            return
        if damage := _damage(source, partial):
            shutil.rmtree(partial)
            log.warning("%s is damaged and was not copied: %s", source, damage)
            copied.damaged.append(source.name)
            return
        sync_folder(partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    copied.folders += 1
    copied.bytes += sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def _marks(folder: Path) -> tuple[bytes, bytes]:
    """The manifest, which has the checksums of all files, and the signature of a release."""
    signature = folder / SIGNATURE
    return (folder / MANIFEST).read_bytes(), signature.read_bytes() if signature.is_file() else b""


def _damage(source: Path, copy: Path) -> str:
    """What is wrong with a copied folder; empty if nothing is."""
    if copy.parent.name != _RELEASES:
        return ", ".join(find_damage(copy)[0])
    try:
        files = read_manifest(source).files
    except ReleaseError as error:
        return str(error)
    return ", ".join(name for name, digest in files.items() if _sha256(copy / name) != digest)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _copy_files(source: Path, target: Path, copied: Copied) -> None:
    """Copy lists, titles and searches for settings. A file of the same size and time is unchanged."""
    for path in _plain_files(source):
        copy = target / path.relative_to(source)
        there = path.stat()
        if copy.is_file() and _is_same(there, copy.stat()):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        with replacing(copy) as fresh:
            shutil.copyfile(path, fresh)
            os.utime(fresh, ns=(there.st_atime_ns, there.st_mtime_ns))
        copied.bytes += there.st_size


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _plain_files(root: Path) -> Iterator[Path]:
    for name in _OTHER_FILES:
        if not (root / name).is_symlink():
            for path in sorted((root / name).rglob("*")):
                if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                    yield path


def _remove_gone(source: Path, target: Path, copied: Copied) -> None:
    """Remove from a copy what the store no longer has. The copy of a damaged folder stays."""
    for kind in _FOLDERS:
        there = {folder.name for folder in entries_of(source, kind)}
        for folder in entries_of(target, kind):
            if folder.name not in there:
                shutil.rmtree(folder)
                copied.removed += 1
    kept = {path.relative_to(source) for path in _plain_files(source)}
    for path in [path for path in _plain_files(target) if path.relative_to(target) not in kept]:
        path.unlink()
        copied.removed += 1
