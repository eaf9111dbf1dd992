"""The files at the root of a store, as a copy takes them: each is checked first."""

import logging
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, Final

from matinee.errors import StoreError
from matinee.registry.log import ChangeLog
from matinee.store.documents import (
    DONE,
    FORGOTTEN,
    LOG,
    POINTER,
    SERIES,
    TUNED,
    Mark,
    Pointer,
    Series,
    Tuned,
    read_as,
)
from matinee.store.erased_users import Forgotten

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
RENEWED: Final = (DONE, TUNED)  # may be removed from a store; a later run writes them again

log = logging.getLogger(__name__)


def read_root(root: Path, target: Path, *, but: Collection[str] = ()) -> tuple[dict[str, bytes], list[str]]:
    """The undamaged files at the root of a store, except for links, and the names of the others.

    Args:
        root: The store.
        target: Its copy; a log that lacks lines of the copy counts as damaged.
        but: Files that are left out.
    """
    files, damaged = {}, []
    for name, check in _ROOT_FILES.items():
        path = root / name
        if name in but or path.is_symlink() or not path.exists():
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
        if name == LOG and (missing := _missing_lines(data, target / LOG)):
            log.warning(
                "%s lacks %d lines that its earlier copy %s has, and was not copied. Put these lines back; or remove "
                "the earlier copy, if the lines were removed on purpose.",
                path,
                missing,
                target / LOG,
            )
            damaged.append(name)
            continue
        files[name] = data
    return files, damaged


def _missing_lines(data: bytes, copy: Path) -> int:
    """How many readable lines of an earlier copy of the log are not in the log, to which lines are only added."""
    if not copy.is_file():
        return 0
    earlier, faults = copy.read_bytes().split(b"\n"), ChangeLog(copy.parent).faults()
    readable = {line for number, line in enumerate(earlier, start=1) if line.strip() and number not in faults}
    return len(readable - set(data.split(b"\n")))
