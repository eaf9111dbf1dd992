"""Walk and remove folders of any depth; functions of Python call themselves for each level, and fail at a thousand."""

import contextlib
import errno
import os
import shutil
import stat
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

    The folder that it is in may be replaced by a link meanwhile: the target of that link stays as it is.

    Args:
        path: The folder.
        ignore_errors: Whether to leave what can't be removed, without an error.

    Raises:
        OSError: It can't be removed; not with `ignore_errors`.
    """
    try:
        with opened(path.parent) as parent:
            _remove(path.name, parent, ignore_errors=ignore_errors)
    except OSError:
        if not ignore_errors:
            raise


def remove_file(path: Path) -> None:
    """Remove a file or a link, as `remove_tree` removes a folder; a missing one is no error. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), opened(path.parent) as parent:
        os.unlink(path.name, dir_fd=parent)


def rename_within(path: Path, name: str) -> None:
    """Rename a folder within the folder that it is in, which may be replaced by a link meanwhile.

    Raises OSError.
    """
    with opened(path.parent) as parent:
        os.rename(path.name, name, src_dir_fd=parent, dst_dir_fd=parent)


@contextlib.contextmanager
def opened(folder: str | Path, *, within: int | None = None) -> Iterator[int]:
    """The number of an open folder, which stays that folder whatever takes its place.

    Args:
        folder: The folder. A relative path is relative to `within`.
        within: Number of an open folder.

    Yields:
        The number.

    Raises:
        OSError: It is not a folder, or it is a symbolic link.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(folder, flags, dir_fd=within)
    try:
        yield handle
    finally:
        os.close(handle)


def _remove(name: str, parent: int, *, ignore_errors: bool) -> None:
    with contextlib.suppress(RecursionError):
        shutil.rmtree(name, ignore_errors=True, dir_fd=parent)
    mode = _mode(name, parent)
    if mode is None:
        return
    if stat.S_ISLNK(mode):  # some versions of Python raise an error without a text
        raise OSError(errno.ENOTDIR, "It is a symbolic link, which is not removed", name)
    with contextlib.suppress(OSError), opened(name, within=parent) as folder:
        _flatten(folder)
    shutil.rmtree(name, ignore_errors=ignore_errors, dir_fd=parent)


def _mode(name: str, parent: int) -> int | None:
    """The mode of a file or folder; None if there is none."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def _flatten(top: int) -> None:
    """Move each folder below another one up to the open folder, so that none is deeper than one level."""
    waiting = _folders_in(top)
    while waiting:
        with opened(waiting.pop(), within=top) as inner:
            for name in _folders_in(inner):
                above = uuid.uuid4().hex
                os.rename(name, above, src_dir_fd=inner, dst_dir_fd=top)
                waiting.append(above)


def _folders_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
