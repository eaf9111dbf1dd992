"""Files that are replaced whole: a reader sees the old file or the new one, and a failed write leaves neither half.

The new file is written under a temporary name in the same folder, synced, and renamed. A process that is killed leaves
its temporary file behind; the next writer of the same file, or prune, clears it.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LONGEST_NAME = 200  # bytes of a file's name that its temporary name repeats; file systems allow 255 in all
_TEMPORARY = re.compile(
    r"\.(?P<name>.+)[.-](?P<process>[0-9]{1,10})", re.DOTALL
)  # `.probe-1` is of earlier versions


def temporary_name(name: str) -> str:
    """What this process calls the file `name` until it is whole."""
    return f".{os.fsdecode(os.fsencode(name)[:_LONGEST_NAME])}.{os.getpid()}"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path`, to be written by the block, that takes its place once the block has ended well.

    The file has the mode that the umask gives, however the block writes it: safetensors would make it 0600. When the
    block or the disk fails, `path` stays as it was and nothing is left beside it. Raises OSError.
    """
    clear_temporaries(path.parent, path.name)
    fresh = path.with_name(temporary_name(path.name))
    handle = _create(fresh)
    try:
        with contextlib.suppress(
            OSError
        ):  # tells other machines that this process is alive, where that can be told
            fcntl.flock(handle, fcntl.LOCK_SH)
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
    """Write a file so that a reader sees the old one or the new one, whole. Raises OSError."""
    with replacing(path) as fresh:
        fresh.write_bytes(data)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write an object as JSON so that a reader sees the old file or the new one, whole. Raises OSError."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def sync(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, have reached the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def copy_tree(source: Path, target: Path) -> None:
    """Copy the files of a folder, and of folders in it, into another; modes follow the umask, links are left out."""
    target.mkdir(exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            copy_tree(path, target / path.name)
        elif path.is_file():
            shutil.copyfile(path, target / path.name)


def clear_temporaries(folder: Path, *names: str) -> None:
    """Remove what killed processes left of these files in a folder: `.NAME.PROCESS`, and nothing else.

    A file of a process that is alive stays, here or on another machine that shares the folder.
    """
    ours = {os.fsdecode(os.fsencode(name)[:_LONGEST_NAME]) for name in names}
    with contextlib.suppress(OSError):  # a folder that is away or closed has its own error later
        for entry in os.scandir(folder):
            found = _TEMPORARY.fullmatch(entry.name)
            if found and found["name"] in ours and entry.is_file(follow_symlinks=False):
                _clear(Path(entry.path), process=int(found["process"]))


def is_alive(process: int) -> bool:
    """Whether a process of this machine has that number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _create(fresh: Path) -> int:
    """Make the temporary file; one of that name is of an earlier process with our number, or a planted link."""
    fresh.unlink(missing_ok=True)
    return os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


def _finish(fresh: Path, *, mode: int) -> None:
    """Give the file its mode, whichever way it was written, and make sure that it has reached the disk."""
    handle = os.open(fresh, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if stat.S_IMODE(os.fstat(handle).st_mode) != mode:
            os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_names(folder: Path) -> None:
    """Make a rename last, where the file system knows how and the folder may be opened."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EINVAL, errno.ENOTSUP}:
            raise


def _clear(path: Path, *, process: int) -> None:
    if process == 0 or is_alive(process):
        return
    with contextlib.suppress(OSError):  # somebody else cleared it, or it is not ours to remove
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(handle)
