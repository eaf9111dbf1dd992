"""The files at the root of a store, as a copy takes them: each is checked first."""

import contextlib
import filecmp
import json
import logging
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Final

from matinee.errors import ConfigError, StoreError
from matinee.maintenance.copies import RELEASES
from matinee.registry.log import ChangeLog
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
    """Whether a copy is that of another store than `root`: they have no line of the log and no release in common."""
    theirs, ours = ({line for _, line in _readable_lines(each)} for each in (copy, root))
    if not theirs or theirs & ours:
        return False
    copies = [copy / RELEASES / folder.name / MANIFEST for folder in complete_folders(root, RELEASES)]
    return not any(
        each.is_file() and filecmp.cmp(each, root / each.relative_to(copy), shallow=False) for each in copies
    )


def lost_lines(root: Path, copy: Path) -> int:
    """How many lines of a copy's log are gone from the log of a store; lines that are damaged there do not count."""
    data = (root / LOG).read_bytes() if (root / LOG).is_file() else b""
    faults = ChangeLog(root).faults()
    return sum(number not in faults for number in _lacking(data, copy))


def check_erased(root: Path, copy: Path) -> None:
    """Raise ConfigError if a copy would get users back that were erased from it."""
    with contextlib.suppress(StoreError):  # a damaged list is reported where it is copied
        ours, theirs = Forgotten.read(root), Forgotten.read(copy)
        if theirs.hashes - ours.hashes and (theirs.key == ours.key or not ours.hashes):
            raise ConfigError(
                f"Users were erased from the backup {address_of(copy)} that {address_of(root)} still has. Run "
                "`matinee forget` on the store first. Nothing was changed."
            )


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


def _lacking(data: bytes, copy: Path) -> list[int]:
    """The numbers of the lines of an earlier copy of a log that the log lacks, to which lines are only added.

    Lines of `prune` and `forget` do not count: they may have been run on the copy.
    """
    ours = {*data.split(b"\n")}
    return [
        number
        for number, line in _readable_lines(copy)
        if line not in ours and json.loads(line).get("action") not in UPKEEP
    ]


def _readable_lines(root: Path) -> list[tuple[int, bytes]]:
    """The lines of a log that can be read, with their numbers."""
    if not (root / LOG).is_file():
        return []
    lines, faults = (root / LOG).read_bytes().split(b"\n"), ChangeLog(root).faults()
    return [
        (number, line) for number, line in enumerate(lines, start=1) if line.strip() and number not in faults
    ]
