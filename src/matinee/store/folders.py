"""Walk and remove folders of any depth; functions of Python call themselves for each level, and fail at a thousand."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

DEEPEST: Final = 64  # levels of folders in a source or a drop folder


def walk(
    folder: Path, *, on_error: Callable[[OSError], None] = lambda error: None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Iterate over a folder and those below it: each with the names of its folders and of its other entries.

    Links are not followed. A folder is skipped if its name is removed from the list of names.

    Args:
        folder: Where to begin.
        on_error: Called with the error of a folder that can't be read.
    """
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        folders: list[str] = []
        names: list[str] = []
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    (folders if _is_folder(entry) else names).append(entry.name)
        except OSError as error:
            on_error(error)
            continue
        yield place, folders, names
        below = (place / name for name in sorted(folders, reverse=True))
        waiting += [path for path in below if not os.path.islink(path)]  # noqa: PTH114 - False if the path is too long


def depth_of(place: Path, folder: Path) -> int:
    """How many levels a folder is below another."""
    return len(place.parts) - len(folder.parts)


def bytes_in(folder: Path) -> int:
    """The size of all files in a folder and below it; a file that is removed meanwhile does not count."""
    total = 0
    for place, _, names in walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (place / name).lstat().st_size
    return total


def remove_tree(path: Path, *, ignore_errors: bool = False) -> None:
    """Remove a folder with all that is in it, however deep; a link is not removed.

    Raises OSError unless `ignore_errors`.
    """
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if path.is_dir() and not path.is_symlink():
        with contextlib.suppress(OSError):
            _flatten(path)
    if os.path.lexists(path):
        shutil.rmtree(path, ignore_errors=ignore_errors)


def _flatten(path: Path) -> None:
    """Move each folder below another one up to `path`, so that none is deeper than one level."""
    waiting = _folders_in(path)
    while waiting:
        for inner in _folders_in(waiting.pop()):
            above = path / uuid.uuid4().hex
            inner.rename(above)
            waiting.append(above)


def _folders_in(path: Path) -> list[Path]:
    with os.scandir(path) as entries:
        return [path / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
