"""Open plain files of a folder that somebody else may have filled. Links, pipes and devices are refused at once.

The folder and each file are opened once, so that the bytes that were checked are used, even if a file is replaced.
"""

import contextlib
import errno
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from matinee.errors import ReleaseError
from matinee.errors.text import shown
from matinee.store.files import NotPlainError, open_plain, writer_of

# Lists of ten users, for people; `forget` removes it.
EXAMPLES = "LISTS.md"
# The same lists among all else that people want to know; `forget` removes it too.
REPORT = "report.html"

_ADVICE: Final = "Roll back to another release, or restore this one from a backup."
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Folder:
    """An open folder. Its own path may be a link, but its content may not."""

    path: Path
    handle: int


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[Folder]:
    """Open a folder. Raises ReleaseError if it can't be opened."""
    try:
        handle = os.open(path, _FOLDER)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{shown(path)} is not a release: {_why(error)}. Check the path.") from None
    try:
        yield Folder(path, handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def open_file(folder: Folder, name: str) -> Iterator[BinaryIO]:
    """Open a file by its path relative to a folder, such as `plots/slices.png`.

    Raises ReleaseError if it is missing, can't be read, or is not a plain file in plain folders.
    """
    path = folder.path / name
    parent, _, last = name.rpartition("/")
    try:
        with _open_below(folder, parent) as place:
            file = open_plain(last, follow_links=False, folder=place)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    with file:
        yield file


def read_file(folder: Folder, name: str, *, limit: int) -> bytes:
    """The bytes of a plain file of at most `limit` bytes.

    Raises ReleaseError if it is larger or can't be read.
    """
    path = folder.path / name
    with open_file(folder, name) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise ReleaseError(f"{shown(path)} has {size:,} bytes; expected {limit:,} at most. {_ADVICE}")
        try:
            return file.read(size)
        except (OSError, MemoryError) as error:
            raise unreadable(path, error) from None


def check_list(folder: Folder, known: Collection[str], *, optional: Collection[str] = ()) -> None:
    """Raise ReleaseError unless a folder and its subfolders have exactly the known files."""
    found: set[str] = set()
    folders = {"/".join(name.split("/")[:depth]) for name in known for depth in range(name.count("/") + 1)}
    for place in sorted(folders):
        try:
            with _open_below(folder, place) as handle, os.scandir(handle) as entries:
                found.update(
                    _check_entry(folder, place, entry, {*known, *optional}, folders)
                    for entry in entries
                    # A killed writer has left it, or a living one is about to rename it. It is never read.
                    if place or writer_of(entry.name, *optional) is None
                )
        except OSError as error:
            raise unreadable(folder.path / place, error) from None
    if missing := sorted(set(known) - found):
        raise unreadable(folder.path / missing[0], FileNotFoundError(errno.ENOENT, "it is missing"))


def unreadable(path: Path, error: BaseException) -> ReleaseError:
    """The error of a file that can't be read."""
    # O_NOFOLLOW says ELOOP of a link.
    if isinstance(error, NotPlainError) or (isinstance(error, OSError) and error.errno == errno.ELOOP):
        return _not_plain(path)
    return ReleaseError(f"{shown(path)} can't be read: {_why(error)}. {_ADVICE}")


def _check_entry(
    folder: Folder, place: str, entry: "os.DirEntry[str]", known: Collection[str], folders: Collection[str]
) -> str:
    name = f"{place}/{entry.name}" if place else entry.name
    path = folder.path / name
    inner = entry.is_dir(follow_symlinks=False)
    if not (inner or entry.is_file(follow_symlinks=False)):
        raise _not_plain(path)
    if name not in (folders if inner else known):
        raise ReleaseError(
            f"{shown(path)} is not in the release's manifest, and a release has only the files of its manifest. Remove "
            "the file."
        )
    return name


@contextlib.contextmanager
def _open_below(folder: Folder, place: str) -> Iterator[int]:
    """The handle of a subfolder, opened through plain folders only; that of the folder itself for an empty path."""
    with contextlib.ExitStack() as opened:
        handle = folder.handle
        for part in filter(None, place.split("/")):
            handle = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            opened.callback(os.close, handle)
        yield handle


def _not_plain(path: Path) -> ReleaseError:
    return ReleaseError(
        f"{shown(path)} is not a plain file: links, pipes and devices are not followed. {_ADVICE}"
    )


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "there is not enough memory" if isinstance(error, MemoryError) else shown(error)
