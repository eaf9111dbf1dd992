"""The drop folder: where people and programs put rating files, which files in it are complete, where broken ones go.

A file is left alone while its name is a temporary one, a program has it open for writing, or it changed just now.
"""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.store.files import replacing
from matinee.store.identity import is_store
from matinee.store.system import is_open_for_writing

REFUSED: Final = "refused"  # the folder within the drop folder
REFUSED_TOO: Final = "refused-files"  # where that name is a file's, or a link's
_LINE: Final = 8_000  # characters of a line of a report
_LONGEST_NAME: Final = 255  # bytes of a file name, on nearly every file system
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
    odd: dict[Path, str] = field(default_factory=dict)  # what is there and no file, and why
    stores: list[Path] = field(default_factory=list)  # folders that are stores: not looked into, never moved

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
    first, odd, stores = _prints(folder)
    moment = time.time() if now is None else now
    young = any(
        moment - changed / 1e9 < settle_seconds
        for path, (_, _, changed, _) in first.items()
        if not is_temporary(path)
    )
    if young:
        sleep(settle_seconds)
    second, odd, stores = _prints(folder) if young else (first, odd, stores)
    complete = {
        path: found
        for path, found in first.items()
        if second.get(path) == found and not is_temporary(path) and not is_open_for_writing(path)
    }
    return Dropped(complete, [path for path in second if path not in complete], odd, stores)


def set_aside(folder: Path, path: Path, *, reason: str) -> Path:
    """Move a file to the folder of refused ones and write why beside it; returns where the report lies.

    One of the same name that was refused before is replaced, and its report. Raises OSError when it can't be moved.
    """
    target = place_of_refused(folder, path)
    told = (
        f"{shown(path, _LINE)} was not taken.\n\n{shown(reason, _LINE)}\n\n"
        f"It is in {shown(target, _LINE)} now. Put a corrected file into {shown(path.parent, _LINE)}; nothing else is "
        "to be done.\n"
    )
    report = beside(target, ".report.txt")
    with replacing(report) as fresh:
        fresh.write_text(told, "utf-8")
        path.rename(target)
    return report


def place_of_refused(folder: Path, path: Path) -> Path:
    """Where a file of the drop folder goes when it is refused: under a name that is text; the folder is made.

    It lies in the drop folder whatever links are there. Raises OSError when there is no such place.
    """
    names = [_plain_name(name) for name in path.relative_to(folder).parts]
    places = (folder / REFUSED, folder / REFUSED_TOO)
    top = next((place for place in places if _is_folder_or_free(place)), None)
    if top is None:
        raise NotADirectoryError(errno.ENOTDIR, f"{REFUSED} and {REFUSED_TOO} are no folders")
    target = top.joinpath(*names)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        good = target.parent.resolve().is_relative_to(top.resolve()) and not _is_folder(target)
    except OSError:  # a file is in the way, or the path is too long
        good = False
    if not good:
        top.mkdir(exist_ok=True)
        target = top / _plain_name("/".join(["", *names]))
    return target


def beside(target: Path, suffix: str) -> Path:
    """The path of a file that belongs to a refused one, its name as long as a name may be."""
    return target.with_name(_plain_name(target.name, suffix))


def _plain_name(name: str, suffix: str = "") -> str:
    """A name with a suffix that every table, log and system can hold; a digest stands for what is lost of it."""
    plain = "".join(char if char.isprintable() and char != "/" else "_" for char in name)
    whole = f"{plain}{suffix}"
    if plain == name and len(os.fsencode(whole)) <= _LONGEST_NAME:
        return whole
    suffix = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}{suffix}"
    return plain.encode()[: _LONGEST_NAME - len(suffix)].decode("utf-8", "ignore") + suffix


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_folder_or_free(path: Path) -> bool:
    return _is_folder(path) or not os.path.lexists(path)


def is_temporary(path: Path) -> bool:
    """Whether the name is one that programs give to what they have not finished."""
    return path.name.startswith(".") or path.name.lower().endswith(_TEMPORARY)


def _prints(folder: Path) -> tuple[dict[Path, Print], dict[Path, str], list[Path]]:
    """Size, times and inode of each file, why other things are no files, and which folders are stores.

    Hidden folders, the refused and stores are not looked into, nor are folders behind links.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"The drop folder {shown(folder, _LINE)} is not there. Make it, or name another with `drop`."
        )
    found: dict[Path, Print] = {}
    odd: dict[Path, str] = {}
    stores: list[Path] = []

    def is_closed(error: OSError) -> None:
        if isinstance(error, PermissionError) and error.filename != str(folder):
            odd[Path(error.filename)] = "It is a folder that can't be looked into: permission denied."

    for place, folders, names in os.walk(folder, onerror=is_closed):
        top = Path(place) == folder
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not (top and name in {REFUSED, REFUSED_TOO})
        )
        stores += [Path(place) / name for name in folders if is_store(Path(place) / name)]
        folders[:] = [name for name in folders if Path(place) / name not in stores]
        for path in (Path(place) / name for name in names):
            looked = _print(path)
            if isinstance(looked, str):
                odd |= {} if is_temporary(path) else {path: looked}
            else:
                found |= looked
    return dict(sorted(found.items())), dict(sorted(odd.items())), stores


def _print(path: Path) -> dict[Path, Print] | str:
    """That of a file, unless it was renamed or removed meanwhile; or why it is none."""
    try:
        status = path.stat()
    except OSError as error:
        if not os.path.lexists(path):
            return {}
        leads = "It is a link that leads nowhere" if path.is_symlink() else "It could not be looked at"
        return f"{leads}: {error.strerror or error}. Put the file itself here."
    if not stat.S_ISREG(status.st_mode):
        return (
            "It is not a file of bytes on a disk but a pipe, a socket or a device. Save it to a file first."
        )
    return {path: (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)}
