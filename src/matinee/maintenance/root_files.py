"""The files at the root of a store, as a copy takes them: each is checked first."""

import contextlib
import filecmp
import json
import logging
import os
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Final

from matinee.errors import ConfigError, StoreError
from matinee.maintenance.copies import RELEASES, digests_in, names_in
from matinee.registry.log import ChangeLog, Entry
from matinee.store.documents import (
    DONE,
    FORGOTTEN,
    LOG,
    MANIFEST,
    POINTER,
    SERIES,
    TUNED,
    Mark,
    Pointer,
    Series,
    Tuned,
    read_as,
)
from matinee.store.entries import complete_folders
from matinee.store.erased_users import Forgotten
from matinee.store.remote import address_of

_PICTURE: Final = "progressive.png"
# What must be right about each file at the root of a store before it is copied; the pointer comes last.
_ROOT_FILES: Final[dict[str, Callable[[Path], Any]]] = {
    FORGOTTEN: lambda path: Forgotten.read(path.parent),
    SERIES: partial(read_as, model=Series),
    _PICTURE: lambda path: None,
    DONE: partial(read_as, model=Mark),
    TUNED: partial(read_as, model=Tuned),
    LOG: lambda path: ChangeLog(path.parent).entries(),
    POINTER: partial(read_as, model=Pointer),
}
UPKEEP: Final = ("prune", "forget")  # actions that may be run on a copy alone
RENEWED: Final = (DONE, TUNED)  # may be removed from a store; a later run writes them again

log = logging.getLogger(__name__)


def read_root(
    root: Path, target: Path, *, exclude: Collection[str] = ()
) -> tuple[dict[str, bytes], list[str]]:
    """The undamaged files at the root of a store, except for links, and the names of the others.

    Args:
        root: The store.
        target: Its copy; a log that lacks lines of the copy counts as damaged.
        exclude: Files that are left out.
    """
    files, damaged = {}, []
    for name, check in _ROOT_FILES.items():
        path = root / name
        if name in exclude or path.is_symlink() or not path.exists():
            continue
        try:
            check(path)
            data = path.read_bytes()
        except StoreError as error:
            if isinstance(error.__cause__, OSError):  # of the disk, maybe temporary
                raise
            log.warning("%s The file was not copied.", error)
            damaged.append(name)
            continue
        if name == LOG and _lacks_lines(data, target):
            damaged.append(name)
            continue
        files[name] = data
    return files, damaged


def is_other(root: Path, copy: Path) -> bool:
    """Whether a copy is that of another store than `root`: they have no line of the log and no release in common.

    A copy without a log is that of another store if they have no other folder in common either.
    """
    theirs, ours = ({line for _, line in _readable_lines(each)} for each in (copy, root))
    if theirs & ours or not (theirs or names_in(copy)):
        return False
    if any(_share_release(root, copy, folder.name) for folder in complete_folders(root, RELEASES)):
        return False
    # All stores have a v0001, but a digest is that of some data and settings.
    return bool(theirs) or digests_in(copy).isdisjoint(digests_in(root))


def lost_lines(root: Path, copy: Path) -> int:
    """How many lines of a copy's log are gone from the log of a store; lines that are damaged there do not count.

    A line in the place of a lost one may also be that of another history. It counts as damaged if the logs have a later
    line in common, or if the store and its copy have the release that the lost line is about.
    """
    data = (root / LOG).read_bytes() if (root / LOG).is_file() else b""
    ours, faults = _lines(data), ChangeLog(root).faults()
    common = max((number for number, line in _readable_lines(copy) if line in ours), default=0)

    def is_damaged(number: int, entry: Entry) -> bool:
        return number in faults and (number < common or _share_release(root, copy, entry.version))

    return sum(not is_damaged(*lost) for lost in _lacking(data, copy))


def check_erased(root: Path, copy: Path) -> None:
    """Raise ConfigError if a backup would bring back users who were erased from it.

    Raises StoreError if one of the two lists of erased users is damaged, so that they can't be compared.
    """
    if not os.path.lexists(copy / FORGOTTEN):
        return
    try:
        theirs = Forgotten.read(copy)
    except StoreError as error:
        raise StoreError(
            f"The list of erased users {copy / FORGOTTEN} of the backup is damaged, so users who were erased from the "
            "backup could come back. If no user was erased from the backup alone, remove that file. Nothing was "
            "changed."
        ) from error
    if theirs.hashes <= Forgotten.read(root).hashes:
        return
    raise ConfigError(
        f"The backup {address_of(copy)} has erased users who are not on the list of {address_of(root)}. If the store "
        f"has lost its {FORGOTTEN}, copy that of the backup there. If users were erased from the backup alone, run "
        "`matinee forget` on the store for each of them. Only if their lists were begun separately, or if a `forget` "
        f"was undone, then remove {FORGOTTEN} from the backup. Nothing was changed."
    )


def _share_release(root: Path, copy: Path, version: str | None) -> bool:
    """Whether a store and its copy have the same release under a version."""
    if version is None:
        return False
    ours, theirs = (place / RELEASES / version / MANIFEST for place in (root, copy))
    return ours.is_file() and theirs.is_file() and filecmp.cmp(ours, theirs, shallow=False)


def _lacks_lines(data: bytes, copy: Path) -> bool:
    """Whether a log lacks lines of a copy because they are damaged; a warning says so."""
    lacking = len(_lacking(data, copy))
    if lacking:
        log.warning(
            "The log lacks %d lines that its earlier copy %s has, and was not copied. Put these lines back.",
            lacking,
            copy / LOG,
        )
    return bool(lacking)


def _lacking(data: bytes, copy: Path) -> list[tuple[int, Entry]]:
    """The lines of an earlier copy of a log that the log lacks, with their numbers. Lines are only appended to a log.

    Lines of `prune` and `forget` do not count: they may have been run on the copy.
    """
    ours = _lines(data)
    found = [
        (number, Entry.model_validate_json(line))
        for number, line in _readable_lines(copy)
        if line not in ours
    ]
    return [(number, entry) for number, entry in found if entry.action not in UPKEEP]


def _readable_lines(root: Path) -> list[tuple[int, str]]:
    """The lines of a log that can be read, with their numbers."""
    if not (root / LOG).is_file():
        return []
    lines, faults = (root / LOG).read_bytes().split(b"\n"), ChangeLog(root).faults()
    return [
        (number, _canonical(line))
        for number, line in enumerate(lines, start=1)
        if line.strip() and number not in faults
    ]


def _lines(data: bytes) -> set[str]:
    """The lines of a log that are JSON."""
    found = set()
    for line in data.split(b"\n"):
        with contextlib.suppress(ValueError, RecursionError):
            found.add(_canonical(line))
    return found


def _canonical(line: bytes) -> str:
    """A line of a log in the same form from a folder and from an object store, which have other spaces and orders."""
    return json.dumps(json.loads(line), sort_keys=True)
