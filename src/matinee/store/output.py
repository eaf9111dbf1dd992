"""What a call writes where `--out` says: whole or not at all, and never in the place of what is not a plain file.

A file is written beside its target, reaches the disk, and then takes the target's place. A pipe, a terminal or
/dev/null is written to as it stands, by those who can.
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
    """Whether `out` is what the process has as stdout: `-`, or the pipe or terminal itself, as /dev/stdout may be."""
    if out == STDOUT:
        return True
    try:
        there, ours = out.stat(), os.fstat(1)
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(there.st_mode) and os.path.samestat(there, ours)


def check_output(out: Path, *, streams: bool = False) -> Path:
    """The file that `out` means: the target where it is a link. `streams`: a pipe or a device will do, and `-`.

    Raises ConfigError when it is neither a plain file nor a new name in a folder that is there.
    """
    if out == STDOUT:
        if sys.__stdout__ is None:  # what stands in for it since throws all away
            raise ConfigError("--out - is stdout, and stdout is closed. Open it, or name a file.")
        if streams:
            return out
        raise ConfigError("--out - is stdout, and lists are a Parquet file. Name a plain file, or a new one.")
    try:
        _refuse_planted_link(out)
        target = Path(os.path.realpath(out))
        mode = target.stat().st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise ConfigError(
                f"{target.parent} is not there. Make the folder, or name another with --out."
            ) from None
        return target
    except (OSError, ValueError) as error:
        raise _unwritable(out, error) from None
    streaming = stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
    if not (stat.S_ISREG(mode) or (streams and streaming)):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a plain file")
        raise ConfigError(f"--out {out} is {kind}. Name a plain file, or a new one; nothing was written.")
    return target


@contextlib.contextmanager
def writing_to(out: Path, *, streams: bool = False) -> Iterator[BinaryIO]:
    """A binary file for what belongs into `out`, which takes its place once the block has ended well.

    Raises ConfigError as `check_output` does and when the file can't be made; StoreError from the write that fails, as
    on a full disk, whatever else the block reads.
    """
    target = check_output(out, streams=streams)
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
        with _told(out):
            stack.close()


class _Telling(io.RawIOBase):
    """A file whose failed writes say which output it is, so that nobody takes them for a fault of an input."""

    def __init__(self, raw: BinaryIO | io.FileIO, out: Path) -> None:
        self._raw, self._out = raw, out
        self.given_up = False  # what a buffer still holds of a block that failed is not written

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        with _told(self._out):
            return len(data) if self.given_up else int(self._raw.write(data) or 0)


@contextlib.contextmanager
def _buffered(raw: BinaryIO | io.FileIO, out: Path) -> Iterator[BinaryIO]:
    telling = _Telling(raw, out)
    file = io.BufferedWriter(telling)  # type: ignore[type-var]
    try:
        yield file
        file.flush()
    finally:
        telling.given_up = True
        file.close()


@contextlib.contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read it has enough: not an error to be told
    except OSError as error:
        raise StoreError(
            f"{out} could not be written: {error.strerror or error}. Free space there, or name another place with "
            "--out; what was there before is still there, and nothing half-written is."
        ) from error


def _streaming(out: Path) -> Iterator[BinaryIO]:
    """Write to what is there already: stdout, a pipe or a device."""
    if out == STDOUT:
        sys.stdout.flush()
        raw = cast(BinaryIO, sys.stdout.buffer)
    else:
        try:
            # Without a reader, opening a pipe would wait for one for ever.
            handle = os.open(out, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            nobody = "nobody reads from this pipe; start the reader first"
            raise _unwritable(out, nobody if error.errno == errno.ENXIO else error) from None
        os.set_blocking(handle, True)
        raw = cast(BinaryIO, io.FileIO(handle, "w"))
    try:
        with _buffered(raw, out) as file:
            yield file
        with _told(out):
            raw.flush()
    finally:
        if out != STDOUT:
            raw.close()


def _mode_of(target: Path) -> int | None:
    """The mode of a file that is there, without what makes a program run as somebody else."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode) & _MODE
    return None


def _refuse_planted_link(out: Path) -> None:
    """In a folder that everybody may write to, a link by somebody else could lead to any file of ours."""
    if out.is_symlink() and out.lstat().st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"--out {out} is a link that another user made. Name a plain file, or a new one.")


def _unwritable(out: Path, error: object) -> ConfigError:
    said = getattr(error, "strerror", None) or error
    return ConfigError(f"{out} can't be written: {said}. Name a file that this user may write with --out.")
