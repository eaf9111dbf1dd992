"""Replace files atomically, and open plain files.

A reader sees the old file or the new one. The new file is written under a temporary name in the same folder, synced,
and renamed. A killed process leaves its temporary file; the next writer of the same file, or prune, removes it. A pipe
or a device in the place of a file is refused, and never waited for.
"""

import contextlib
import ctypes
import errno
import io
import itertools
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, JsonValue

from matinee.store import progress
from matinee.store.locks import lock
from matinee.store.system import is_alive

HIDDEN: Final = ".pruned"  # ending of a folder that is about to be deleted, so that no process finds it
_LONGEST_NAME = 200  # maximum bytes of the file's name in the temporary name; file systems allow 255 bytes
# `.NAME.PROCESS_NUMBER`; earlier versions wrote `.NAME.PROCESS` and `.probe-PROCESS`.
_TEMPORARY = re.compile(r"\.(?P<name>.+)[.-](?P<process>[0-9]{1,10})(_[0-9]+)?", re.DOTALL)
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_HERE = -100  # AT_FDCWD
_numbers = itertools.count()


class NotPlainError(OSError):
    """The path is not a plain file but a folder, a pipe, a socket or a device."""


def open_plain(
    path: str | Path, *, follow_links: bool = True, folder: int | None = None
) -> io.BufferedReader:
    """Open a plain file for reading, without waiting for a pipe.

    Args:
        path: The file. A relative path is relative to `folder`.
        follow_links: Whether the last part of the path may be a symbolic link.
        folder: Number of an open folder.

    Returns:
        The open file, which the caller closes.

    Raises:
        NotPlainError: The path is not a plain file.
        OSError: The file can't be opened.
        ValueError: The name is not valid.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    handle = os.open(path, flags, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotPlainError(errno.EINVAL, "it is not a plain file", str(path))
        return open(handle, "rb")  # noqa: PTH123 - by its handle, for the caller to close
    except BaseException:
        os.close(handle)
        raise


def read_plain(path: Path, *, limit: int) -> bytes:
    """The bytes of a plain file of at most `limit` bytes.

    Raises OSError as `open_plain` does, and if the file is larger.
    """
    with open_plain(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EMSGSIZE, f"it has more than {limit:,} bytes", str(path))
    return data


@contextlib.contextmanager
def replacing(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """Replace a file by a new one that the block writes. The new file takes its place when the block ends.

    If the block or the disk fails, the old file stays and the new file is removed.

    Args:
        path: The file to replace.
        mode: Mode of the new file; that of the umask if None. (safetensors itself would use 0600.)

    Yields:
        The path of the new, empty file.

    Raises:
        OSError: The file can't be written.
    """
    clear_temporaries(path.parent, path.name)
    fresh, handle = _create(path)
    try:
        # The lock shows other machines that this process is alive. Some file systems have no locks.
        with contextlib.suppress(OSError):
            lock(handle, shared=True)
        if mode is not None:
            os.fchmod(handle, mode)
        yield fresh
        _finish(fresh, mode=stat.S_IMODE(os.fstat(handle).st_mode))
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    _sync_names(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file atomically. Raises OSError."""
    with replacing(path) as fresh:
        fresh.write_bytes(data)


def write_json(path: Path, value: Mapping[str, JsonValue] | BaseModel) -> None:
    """Write an object as JSON so that a reader sees the old file or the new one, whole. Raises OSError."""
    content = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def sync(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder with its subfolders. Files keep their times, modes follow the umask, and links are left out."""
    target.mkdir(exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            copy_tree(path, target / path.name)
        elif path.is_file():
            there = path.stat()
            shutil.copyfile(path, target / path.name)
            os.utime(target / path.name, ns=(there.st_atime_ns, there.st_mtime_ns))
            progress.advance(there.st_size)


def remove_aside(folder: Path) -> None:
    """Remove a folder under another name, so that a reader finds it whole or absent."""
    aside = folder.with_name(f"{folder.name}{HIDDEN}")
    shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def clear_temporaries(folder: Path, *names: str) -> None:
    """Remove the temporary files of killed writers of these files, `.NAME.PROCESS`, and nothing else.

    Files of living processes stay, also of processes on other machines that share the folder.
    """
    with contextlib.suppress(OSError):  # a missing or unreadable folder is reported later
        for entry in os.scandir(folder):
            process = writer_of(entry.name, *names)
            if process is not None and entry.is_file(follow_symlinks=False):
                _clear(Path(entry.path), process=process)


def writer_of(name: str, *targets: str) -> int | None:
    """The process that a temporary file of one of these files belongs to; None if the name is another file's."""
    found = _TEMPORARY.fullmatch(name)
    ours = {os.fsdecode(os.fsencode(target)[:_LONGEST_NAME]) for target in targets}
    return int(found["process"]) if found and found["name"] in ours else None


def exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, so that a reader always finds one (renameat2 of Linux).

    Returns False if the system or the file system does not support it. Raises OSError.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(one))


def _create(path: Path) -> tuple[Path, int]:
    """Create the temporary file of `path` under a free name; an existing file or link is never used."""
    name = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])
    while True:
        fresh = path.with_name(f".{name}.{os.getpid()}_{next(_numbers)}")
        with contextlib.suppress(FileExistsError):
            return fresh, os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _finish(fresh: Path, *, mode: int) -> None:
    """Set the mode of the file, and wait until it is on the disk."""
    handle = os.open(fresh, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_IMODE(os.fstat(handle).st_mode) != mode:
            os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_names(folder: Path) -> None:
    """Make a rename permanent, if the file system supports it and the folder can be opened."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EINVAL, errno.ENOTSUP}:
            raise


def _clear(path: Path, *, process: int) -> None:
    # An earlier process may have had our number; in a container, numbers repeat. The lock decides.
    if process == 0 or (process != os.getpid() and is_alive(process)):
        return
    with contextlib.suppress(OSError):  # another process removed it, or this user may not
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if lock(handle, wait=False):
                path.unlink()
        finally:
            os.close(handle)
