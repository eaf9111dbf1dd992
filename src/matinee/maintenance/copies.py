"""Copy the folders and files of a store to another folder, each complete and checked, or not at all."""

import contextlib
import filecmp
import hashlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from matinee.errors import ReleaseError
from matinee.registry.log import ChangeLog
from matinee.release import read_manifest
from matinee.release.manifest import SIGNATURE
from matinee.store import progress
from matinee.store.checksums import find_damage, sync_folder
from matinee.store.documents import KINDS, MANIFEST, TRIALS, TUNINGS
from matinee.store.entries import complete_folders, entries_of
from matinee.store.files import copy_tree, exchange, replacing
from matinee.store.folders import bytes_in, remove_tree
from matinee.store.locks import lock_folder

RELEASES: Final = "releases"
FOLDERS: Final = (*KINDS, RELEASES)
OTHER_FILES: Final = ("recommendations", "titles", TUNINGS)
_JOURNAL: Final = f"{TRIALS}-journal"  # of a search that is writing; it fits only the database of that moment
_PATIENCE: Final = 60.0  # seconds to wait for a search that is writing

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
    damaged: list[str] = field(default_factory=list)  # folders, and files at the root, that were not copied


def copy_folders(source: Path, target: Path, copied: Copied) -> None:
    """Copy the folders of all kinds that the target lacks, or has damaged. Raises OSError."""
    for kind in FOLDERS:
        whole = whole_folders(source, kind, copied)
        progress.begin(f"copying {kind}", total=sum(map(bytes_in, whole)), unit="bytes")
        for folder in whole:
            _copy_folder(folder, target / kind / folder.name, copied)
    copied.releases = [folder.name for folder in complete_folders(target, RELEASES)]


def whole_folders(source: Path, kind: str, copied: Copied) -> list[Path]:
    """The folders of a kind that have a manifest. Others, but for unfinished ones, are reported as damaged."""
    whole = complete_folders(source, kind)
    for folder in [each for each in entries_of(source, kind) if not each.suffix and each not in whole]:
        log.warning("%s has no manifest and was not copied.", folder)
        copied.damaged.append(folder.name)
    return whole


def copy_files(source: Path, target: Path, copied: Copied) -> None:
    """Copy lists, titles and searches for settings, while a search may go on. Raises OSError."""
    for path in plain_files(source):
        copy = target / path.relative_to(source)
        if _is_same(path, copy):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        with unchanging(path), replacing(copy) as fresh:
            there = path.stat()
            shutil.copyfile(path, fresh)
            os.utime(fresh, ns=(there.st_atime_ns, there.st_mtime_ns))
        copied.bytes += there.st_size


def names_in(root: Path) -> set[str]:
    """The places of the folders and of the searches of a store."""
    return {f"{kind}/{folder.name}" for kind in (*FOLDERS, TUNINGS) for folder in entries_of(root, kind)}


def digests_in(root: Path) -> set[str]:
    """The places of the folders and of the searches of a store that are named by a digest."""
    return {place for place in names_in(root) if not place.startswith(f"{RELEASES}/")}


def lost_searches(root: Path, there: Iterable[str]) -> set[str]:
    """The searches of a copy that the store neither has nor has pruned: an older copy of the store lacks them.

    Args:
        root: The store.
        there: The digests of the searches of the copy.
    """
    pruned = {entry.search for entry in ChangeLog(root).entries() if entry.action == "prune"}
    return {*there} - pruned - {folder.name for folder in entries_of(root, TUNINGS)}


def remove_gone(source: Path, target: Path, copied: Copied, *, is_backup: bool) -> None:
    """Remove from a copy what the store no longer has. Raises OSError.

    The copy of a damaged folder stays, and so does a search in a backup that the store has not pruned.
    """
    for kind in FOLDERS:
        there = {folder.name for folder in entries_of(source, kind)} | {*copied.damaged}
        for folder in entries_of(target, kind):
            if folder.name not in there:
                remove_tree(folder)
                copied.removed += 1
    kept = {path.relative_to(source) for path in plain_files(source)}
    searches = [folder.name for folder in entries_of(target, TUNINGS)]
    lost = lost_searches(source, searches) if is_backup else set()
    for path in [path for path in _all_files(target) if path.relative_to(target) not in kept]:
        if path.relative_to(target).parts[:2] not in {(TUNINGS, search) for search in lost}:
            path.unlink()
            copied.removed += 1
    for folder in [folder for folder in entries_of(target, TUNINGS) if not any(folder.iterdir())]:
        folder.rmdir()


def _copy_folder(source: Path, target: Path, copied: Copied) -> None:
    """Copy a folder, check the copy against its checksums, and give it its name."""
    try:
        if _marks(source) == _marks(target) and not damage_of(source, target):
            damage = damage_of(source, source)
            if not damage or _marks(source) == _marks(target):  # `forget` has not replaced it meanwhile
                _count_unchanged(source, damage, copied)
                return
    except FileNotFoundError:  # not there yet, or removed by prune
        pass
    partial = target.with_name(f"{target.name}.partial")
    remove_tree(partial, ignore_errors=True)
    with lock_folder(partial):
        try:
            copy_tree(source, partial)
            damage = damage_of(source, partial)
            if not damage:
                sync_folder(partial)
                size = bytes_in(partial)
                _put(partial, target)
                copied.folders += 1
                copied.bytes += size
        except FileNotFoundError:  # as below
            damage = "it is gone"
        finally:  # nothing unfinished is left, whatever has failed
            remove_tree(partial, ignore_errors=True)
    # If the source is gone, prune or forget took it: the next attempt or backup sees what is there.
    if damage and source.is_dir():
        log.warning("%s is damaged and was not copied: %s", source, damage)
        copied.damaged.append(source.name)


def _count_unchanged(source: Path, damage: str, copied: Copied) -> None:
    """Count a folder whose copy is whole, and which may have been damaged since."""
    progress.advance(bytes_in(source))
    if damage:
        log.warning("%s is damaged, and its earlier copy stays: %s", source, damage)
        copied.damaged.append(source.name)
    else:
        copied.unchanged += 1


def _put(partial: Path, target: Path) -> None:
    """Give a copy its name; an earlier copy is replaced in one step if the file system can."""
    if not target.is_dir():
        partial.rename(target)
    elif not exchange(partial, target):  # what is in its place then is removed
        remove_tree(target)
        partial.rename(target)


def _marks(folder: Path) -> tuple[bytes, bytes]:
    """The manifest, which has the checksums of all files, and the signature of a release."""
    signature = folder / SIGNATURE
    return (folder / MANIFEST).read_bytes(), signature.read_bytes() if signature.is_file() else b""


def damage_of(source: Path, copy: Path) -> str:
    """What is wrong with a copied folder; empty if nothing is."""
    if copy.parent.name != RELEASES:
        return ", ".join(find_damage(copy)[0])
    try:
        files = read_manifest(source).files
    except ReleaseError as error:
        return str(error)
    found = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if not path.is_dir()}
    more = sorted(found - {*files, MANIFEST, SIGNATURE})
    return ", ".join([*more, *(name for name, digest in files.items() if _sha256(copy / name) != digest)])


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return ""


@contextlib.contextmanager
def unchanging(path: Path) -> Iterator[None]:
    """Keep a search from writing to its database during the block; other files are replaced whole.

    A journal that a killed search has left is applied first.
    """
    if path.name != TRIALS or not os.access(path, os.W_OK):
        yield
        return
    with contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE)) as database:
        with contextlib.suppress(sqlite3.DatabaseError):  # a damaged database is copied as it is
            database.execute("begin immediate")
        yield


def _is_same(one: Path, other: Path) -> bool:
    """Whether two files have the same time and content."""
    if not other.is_file() or one.stat().st_mtime_ns != other.stat().st_mtime_ns:
        return False
    return filecmp.cmp(one, other, shallow=False)


def plain_files(root: Path) -> list[Path]:
    """The lists, titles and searches of a store, without what a search needs only while it writes."""
    return [path for path in _all_files(root) if path.name != _JOURNAL]


def _all_files(root: Path) -> Iterator[Path]:
    for name in OTHER_FILES:
        if not (root / name).is_symlink():
            for path in sorted((root / name).rglob("*")):
                if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                    yield path
