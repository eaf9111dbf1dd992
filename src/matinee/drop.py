"""The drop folder: where people and programs put rating files, which files in it are complete, where broken ones go.

A file is left alone while its name is a temporary one, a program has it open for writing, or it changed just now.
"""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError
from matinee.text import shown

REFUSED: Final = "refused"  # the folder within the drop folder
_LINE: Final = 8_000  # characters of a line of a report
_TEMPORARY: Final = (
    ".part",
    ".partial",
    ".tmp",
    ".temp",
    ".crdownload",
    ".download",
    ".filepart",
    ".swp",
    "~",
)

Print = tuple[int, int, int, int]  # size, time of the last write, time of the last change, inode


@dataclass(frozen=True)
class Dropped:
    """The files of a drop folder, in the order of their names."""

    complete: dict[Path, Print]
    unfinished: list[Path]

    def is_unchanged(self, path: Path) -> bool:
        """Whether it was complete, and nobody has written to it since."""
        return path in self.complete and _print(path) == {path: self.complete[path]}


def look(
    folder: Path,
    *,
    settle_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    now: float | None = None,
) -> Dropped:
    """Which files of the folder, and of folders in it, are complete.

    A file that changed within `settle_seconds` is looked at a second time after as long. Raises ConfigError when the
    folder is not there.
    """
    first = _prints(folder)
    moment = time.time() if now is None else now
    young = any(
        moment - changed / 1e9 < settle_seconds
        for path, (_, _, changed, _) in first.items()
        if not is_temporary(path)
    )
    if young:
        sleep(settle_seconds)
    second = _prints(folder) if young else first
    complete = {
        path: found
        for path, found in first.items()
        if second.get(path) == found and not is_temporary(path) and not _is_written(path)
    }
    return Dropped(complete, [path for path in second if path not in complete])


def place_of_refused(folder: Path, path: Path) -> Path:
    """Where a file of the drop folder goes when it is refused; the folder is made."""
    target = folder / REFUSED / path.relative_to(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def set_aside(folder: Path, path: Path, *, reason: str) -> Path:
    """Move a file to the folder of refused ones and write why beside it; returns where the report lies.

    One of the same name that was refused before is replaced, and its report.
    """
    target = place_of_refused(folder, path)
    report = target.with_name(f"{target.name}.report.txt")
    told = (
        f"{shown(path, _LINE)} was not taken.\n\n{shown(reason, _LINE)}\n\n"
        f"It lies in {shown(target, _LINE)} now. Put a mended file into {shown(path.parent, _LINE)}; nothing else is "
        "to be done.\n"
    )
    report.write_text(told, "utf-8")
    path.replace(target)
    return report


def is_temporary(path: Path) -> bool:
    """Whether the name is one that programs give to what they have not finished."""
    return path.name.startswith(".") or path.name.lower().endswith(_TEMPORARY)


def _prints(folder: Path) -> dict[Path, Print]:
    """Size, times and inode of each file; hidden folders and the refused are not looked into."""
    if not folder.is_dir():
        raise ConfigError(f"The drop folder {folder} is not there. Make it, or name another with `drop`.")
    found: dict[Path, Print] = {}
    for place, folders, names in os.walk(folder):
        top = Path(place) == folder
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (top and name == REFUSED)
        )
        for path in (Path(place) / name for name in sorted(names)):
            found |= _print(path)
    return dict(sorted(found.items()))


def _print(path: Path) -> dict[Path, Print]:
    """That of a file, unless it was renamed or removed meanwhile, or can't be looked at."""
    with contextlib.suppress(OSError):
        status = path.stat()
        if path.is_file():
            return {path: (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)}
    return {}


def _is_written(path: Path) -> bool:
    """Whether any process has the file open for writing: the kernel then refuses a read lease (fcntl(2), F_SETLEASE).

    Where it can't tell (another's file, a network folder, another system), the time of the last change has to do.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Who opens the file for writing just now breaks the lease; the usual signal would end this process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except (AttributeError, OSError):
        return False
    finally:
        os.close(handle)
    return False
