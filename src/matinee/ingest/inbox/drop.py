"""The drop folder for new rating files: which of its files are complete, and where refused files are moved.

A file is not complete while it has a temporary name, while a program has it open for writing, or if it has just
changed.
"""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.store.files import replacing
from matinee.store.folders import DEEPEST, depth_of, walk
from matinee.store.identity import is_store
from matinee.store.system import is_open_for_writing

REFUSED: Final = "refused"  # the folder within the drop folder
REFUSED_TOO: Final = "refused-files"  # used if `refused` is a file or a link
_LINE: Final = 8_000  # characters of a line of a report
_LONGEST_NAME: Final = 255  # bytes of a file name, on nearly every file system
_TOO_DEEP: Final = (
    f"This folder is nested more than {DEEPEST} folders deep, and was not read. Put the files higher."
)
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
    odd: dict[Path, str] = field(default_factory=dict)  # entries that are not readable files, and why
    stores: list[Path] = field(default_factory=list)  # folders that are stores: never read, never moved
    root: Path = Path()  # the folder with links resolved

    def is_unchanged(self, path: Path) -> bool:
        """Whether the file was complete and has not changed since."""
        return path in self.complete and _print(path, self.root) == {path: self.complete[path]}


def look(
    folder: Path,
    *,
    settle_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    now: float | None = None,
) -> Dropped:
    """Find the complete files in a folder and its subfolders.

    Args:
        folder: The drop folder.
        settle_seconds: If a file changed within this time, all files are checked again after this time.
        sleep: Called to wait.
        now: The current time; that of the clock if None.

    Returns:
        The files that are complete, and those that are not.

    Raises:
        ConfigError: The folder does not exist.
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
    unfinished = [path for path in second if path not in complete]
    return Dropped(complete, unfinished, odd, stores, _real(folder))


def set_aside(folder: Path, path: Path, *, reason: str) -> Path:
    """Move a file to the folder of refused files, and write a report with the reason next to it.

    A refused file of the same name is replaced, with its report.

    Returns:
        The path of the report.

    Raises:
        OSError: The file can't be moved.
    """
    target = place_of_refused(folder, path)
    text = (
        f"{shown(path, _LINE)} was refused.\n\n{shown(reason, _LINE)}\n\n"
        f"The file was moved to {shown(target, _LINE)}. Put a corrected file into {shown(path.parent, _LINE)}. Nothing "
        "else is needed.\n"
    )
    report = beside(target, ".report.txt")
    with replacing(report) as fresh:
        fresh.write_text(text, "utf-8")
        path.rename(target)
    return report


def place_of_refused(folder: Path, path: Path) -> Path:
    """The path for a refused file, with a printable name. Its folder is created.

    The path is inside the drop folder, whatever links are there. Raises OSError if there is no such path.
    """
    nested, flat = _plain_names(path.relative_to(folder).parts)
    places = (folder / REFUSED, folder / REFUSED_TOO)
    top = next((place for place in places if _is_folder_or_free(place)), None)
    if top is None:
        raise NotADirectoryError(errno.ENOTDIR, f"{REFUSED} and {REFUSED_TOO} are not folders")
    target = top / nested
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        good = target.parent.resolve().is_relative_to(top.resolve()) and not _is_folder(target)
    except OSError:  # a file is in the way, or the path is too long
        good = False
    if not good:
        top.mkdir(exist_ok=True)
        target = top / flat
    return target


def names_of_refused(name: str) -> list[str]:
    """The paths in the drop folder that a refused file may get, by its own path there."""
    return [f"{top}/{plain}" for top in (REFUSED, REFUSED_TOO) for plain in _plain_names(name.split("/"))]


def _plain_names(parts: Sequence[str]) -> tuple[str, str]:
    """The path of a refused file in its folder, and the name that it gets where there can be no such path."""
    names = [_plain_name(name) for name in parts]
    return "/".join(names), _plain_name("/".join(["", *names]))


def beside(target: Path, suffix: str) -> Path:
    """The path of a file that belongs to a refused file; a long name is shortened."""
    return target.with_name(_plain_name(target.name, suffix))


def _plain_name(name: str, suffix: str = "") -> str:
    """A printable name of valid length, with a suffix; a digest replaces the characters that are lost."""
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
    """Whether the name is typical for unfinished files of programs."""
    return path.name.startswith(".") or path.name.lower().endswith(_TEMPORARY)


def _prints(folder: Path) -> tuple[dict[Path, Print], dict[Path, str], list[Path]]:
    """Size, times and inode of each file, why other entries are not files, and which folders are stores.

    Hidden folders, refused files, stores, and folders behind links are skipped.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"The drop folder {shown(folder, _LINE)} does not exist. Create it, or set `drop` to another folder."
        )
    found: dict[Path, Print] = {}
    odd: dict[Path, str] = {}
    stores: list[Path] = []

    def is_closed(error: OSError) -> None:
        if isinstance(error, PermissionError) and error.filename != str(folder):
            odd[Path(error.filename)] = "This folder can't be read: permission denied."

    root = _real(folder)
    for place, folders, names in walk(folder, on_error=is_closed):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not (place == folder and name in {REFUSED, REFUSED_TOO})
        )
        linked = [name for name in folders if (place / name).is_symlink()]
        stores += [place / name for name in folders if name not in linked and is_store(place / name)]
        folders[:] = [name for name in folders if place / name not in stores]
        if depth_of(place, folder) >= DEEPEST:
            odd |= dict.fromkeys((place / name for name in folders if name not in linked), _TOO_DEEP)
            folders[:] = linked
        for path in (place / name for name in (*names, *linked)):
            looked = _print(path, root)
            if isinstance(looked, str):
                odd |= {} if is_temporary(path) else {path: looked}
            else:
                found |= looked
    return dict(sorted(found.items())), dict(sorted(odd.items())), stores


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _print(path: Path, root: Path) -> dict[Path, Print] | str:
    """The print of a file, empty if it was renamed or removed meanwhile; or why the entry is not a file.

    A link must lead to a file below `root`. Nothing of any other target is read: reports would show its lines to those
    who can write to the folder.
    """
    try:
        is_link = path.is_symlink()
        status = path.stat()
    except OSError as error:
        if not os.path.lexists(path):
            return {}
        fault = "The target of this link does not exist" if is_link else "This file can't be read"
        return f"{fault}: {error.strerror or error}. Put the file itself here."
    if is_link and not _is_in(_real(path), root):
        return "This is a link that leads out of the drop folder, and was not followed. Put the file itself here."
    if is_link and stat.S_ISDIR(status.st_mode):
        return "This is a link to a folder, and was not followed. Put the files themselves here."
    if not stat.S_ISREG(status.st_mode):
        return (
            "This is not a regular file but a pipe, a socket or a device. Save its content to a file first."
        )
    return {path: (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)}


def _is_in(path: Path, root: Path) -> bool:
    """Whether a resolved path is in the drop folder; refused files do not count."""
    return path.is_relative_to(root) and path.relative_to(root).parts[:1] not in {(REFUSED,), (REFUSED_TOO,)}
