"""Write the output of a command to `--out`: whole or not at all, and only in place of a plain file.

A file is written next to its target, synced, and renamed. A pipe, a terminal or /dev/null is written to directly, if
the command supports it.
"""

import contextlib
import errno
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from matinee.errors import ConfigError, StoreError
from matinee.store.files import replacing
from matinee.store.paths import check_place

STDOUT: Final = Path("-")
_MODE: Final = 0o777
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a disk",
    stat.S_IFSOCK: "a socket",
}


def is_stdout(out: Path) -> bool:
    """Whether `out` is stdout: `-`, or the same pipe or terminal under another name, such as /dev/stdout."""
    if out == STDOUT:
        return True
    try:
        there, ours = out.stat(), os.fstat(1)
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(there.st_mode) and os.path.samestat(there, ours)


def check_output(out: Path, *, streams: bool = False, ours: bool = False) -> Path:
    """The file that `out` means: the target if it is a link.

    Args:
        out: The value of `--out`.
        streams: Whether `-`, a pipe or a device is allowed too.
        ours: Whether it may be inside a store.

    Raises:
        ConfigError: It is neither a plain file nor a new name in an existing folder, or it is inside a store.
    """
    if out == STDOUT:
        _check_stdout(streams=streams)
        return out
    if not ours:
        check_place(out)
    try:
        _refuse_planted_link(out)
        target = Path(os.path.realpath(out))
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            mode = out.stat().st_mode  # /dev/stdout, as a pipe, leads to a name that only the system knows
            target = out
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise ConfigError(
                f"{target.parent} does not exist. Create the folder, or choose another one with --out."
            ) from None
        return _in_writable_folder(target, out)
    except (OSError, ValueError) as error:
        raise _unwritable(out, error) from None
    streaming = stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
    if not (stat.S_ISREG(mode) or (streams and streaming)):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a plain file")
        raise ConfigError(f"--out {out} is {kind}. Use a regular file or a new one. Nothing was written.")
    return target if streaming else _in_writable_folder(target, out)


def _check_stdout(*, streams: bool) -> None:
    """Raise ConfigError if stdout is closed, or if the output can't be a stream."""
    if sys.__stdout__ is None:  # its replacement discards everything
        raise ConfigError("--out - is stdout, and stdout is closed. Open it, or use a file.")
    if not streams:
        raise ConfigError(
            "--out - is stdout, and this output is a whole file, not a stream. Use a regular file or a new one."
        )


def _in_writable_folder(target: Path, out: Path) -> Path:
    """The file that `out` means; raises ConfigError at once if it could not be written after hours of work."""
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise _unwritable(out, os.strerror(errno.EACCES))
    return target


@contextlib.contextmanager
def writing_to(out: Path, *, streams: bool = False, ours: bool = False) -> Iterator[BinaryIO]:
    """A binary file that replaces `out` when the block ends.

    Raises ConfigError as `check_output` does, and if the file can't be created. A failed write, as on a full disk,
    raises StoreError.
    """
    target = check_output(out, streams=streams, ours=ours)
    if out == STDOUT or (target.exists() and not target.is_file()):
        yield from _streaming(out)
        return
    with contextlib.ExitStack() as stack:
        try:
            fresh = stack.enter_context(replacing(target, mode=_mode_of(target)))
            raw = stack.enter_context(fresh.open("wb", buffering=0))
        except OSError as error:
            raise _unwritable(out, error) from None
        with _buffered(raw, out) as file:
            yield file
        with _naming(out):
            stack.close()


class _NamedOutput(io.RawIOBase):
    """A file whose errors name the output, so that they are not mistaken for errors of an input."""

    def __init__(self, raw: BinaryIO | io.FileIO, out: Path) -> None:
        self._raw, self._out = raw, out
        self.given_up = False  # after a failed block, the rest of the buffer is not written

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        with _naming(self._out):
            return len(data) if self.given_up else int(self._raw.write(data) or 0)


@contextlib.contextmanager
def _buffered(raw: BinaryIO | io.FileIO, out: Path) -> Iterator[BinaryIO]:
    named = _NamedOutput(raw, out)
    file = io.BufferedWriter(named)  # type: ignore[type-var]
    try:
        yield file
        file.flush()
    finally:
        named.given_up = True
        file.close()


@contextlib.contextmanager
def _naming(out: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the reader has ended, which is not an error
    except OSError as error:
        raise StoreError(
            f"{out} could not be written: {error.strerror or error}. Free space there, or choose another file with "
            "--out. An earlier file is unchanged, and nothing unfinished is left."
        ) from error


def _streaming(out: Path) -> Iterator[BinaryIO]:
    """Write to stdout, an existing pipe or a device."""
    if out == STDOUT:
        sys.stdout.flush()
        raw = cast(BinaryIO, sys.stdout.buffer)
    else:
        try:
            # Opening a pipe without a reader would wait for ever.
            handle = os.open(out, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            nobody = "this pipe has no reader; start the reader first"
            raise _unwritable(out, nobody if error.errno == errno.ENXIO else error) from None
        os.set_blocking(handle, True)
        raw = cast(BinaryIO, io.FileIO(handle, "w"))
    try:
        with _buffered(raw, out) as file:
            yield file
        with _naming(out):
            raw.flush()
    finally:
        if out != STDOUT:
            raw.close()


def _mode_of(target: Path) -> int | None:
    """The mode of an existing file, without the setuid, setgid and sticky bits."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode) & _MODE
    return None


def _refuse_planted_link(out: Path) -> None:
    """Raise ConfigError for a link of another user, who could thereby overwrite any file of this user."""
    if out.is_symlink() and out.lstat().st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"--out {out} is a link of another user. Use a regular file or a new one.")


def _unwritable(out: Path, error: object) -> ConfigError:
    reason = getattr(error, "strerror", None) or error
    return ConfigError(
        f"{out} can't be written: {reason}. Choose a file that this user may write with --out."
    )
