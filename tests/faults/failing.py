"""Makes the n-th change of files below a folder fail in this process, as by a full disk, a broken disk or a kill.

It counts the system calls of Python that change files (`os.write`, `os.rename` and so on, also those of file objects).
A write of polars, pyarrow or safetensors counts as one change: it leaves half a file, and raises the error of the
library.
"""

import builtins
import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import safetensors.numpy
from safetensors import SafetensorError

FAULTS = ("ENOSPC", "EIO", "kill")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_BY_PATH = (
    "rename",
    "replace",
    "unlink",
    "remove",
    "rmdir",
    "mkdir",
    "utime",
    "link",
    "symlink",
    "chmod",
    "truncate",
)
_BY_HANDLE = ("write", "fsync", "fdatasync", "ftruncate", "sendfile", "fchmod", "pwrite")


class Killed(BaseException):
    """The process has ended: all later changes have no effect."""


@dataclass
class Disk:
    """The disk below `root`. The `at`-th change fails; with 0, none fails."""

    root: Path
    fault: str
    at: int = 0
    changes: list[str] = field(default_factory=list)
    dead: bool = False
    busy: bool = False  # in a native write, whose system calls are part of it

    def change(
        self,
        name: str,
        half: Callable[[], None] = lambda: None,
        raises: Callable[[int], Exception] | None = None,
    ) -> None:
        """Count a change, and fail it if it is the `at`-th."""
        if self.dead:
            raise Killed
        self.changes.append(name)
        if len(self.changes) != self.at:
            return
        half()
        if self.fault == "kill":
            self.dead = True
            raise Killed
        number = getattr(errno, self.fault)
        raise raises(number) if raises else OSError(number, os.strerror(number))

    def holds(self, path: Any) -> bool:
        """Whether a path or a handle is below the root."""
        if isinstance(path, int):
            with contextlib.suppress(OSError):
                return str(Path(f"/proc/self/fd/{path}").readlink()).startswith(str(self.root))
            return False
        return os.path.abspath(os.fsdecode(path)).startswith(str(self.root))  # noqa: PTH100 - of any type


@contextlib.contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Apply the fault to all system calls of Python during the block."""
    with contextlib.ExitStack() as undo:

        def patch(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
            real = getattr(owner, name)
            setattr(owner, name, make(real))
            undo.callback(setattr, owner, name, real)

        for name in _BY_PATH:
            patch(os, name, lambda real, name=name: _by_path(disk, name, real))
        for name in _BY_HANDLE:
            patch(os, name, lambda real, name=name: _by_handle(disk, name, real))
        patch(os, "open", lambda real: _opening(disk, real))
        patch(io, "open", lambda real: _files(disk, real))
        patch(builtins, "open", lambda _: io.open)
        patch(
            np.lib.format, "isfileobj", lambda _: lambda file: False
        )  # numpy writes through the file object
        with contextlib.suppress(ImportError):
            import numpy.lib._format_impl as implementation

            patch(implementation, "isfileobj", lambda _: lambda file: False)
        patch(
            pl.DataFrame,
            "write_parquet",
            lambda real: _native(disk, "polars", real, 1, pl.exceptions.ComputeError),
        )
        patch(
            pl.LazyFrame,
            "sink_parquet",
            lambda real: _native(disk, "polars", real, 1, pl.exceptions.ComputeError),
        )
        patch(pl.DataFrame, "write_csv", lambda real: _native(disk, "polars", real, 1, OSError))
        patch(pq, "write_table", lambda real: _native(disk, "pyarrow", real, 1, OSError))
        patch(pq.ParquetWriter, "__init__", lambda real: _begin(disk, real))
        patch(pq.ParquetWriter, "write_table", lambda real: _step(disk, "pyarrow", real))
        patch(pq.ParquetWriter, "close", lambda real: _step(disk, "pyarrow", real))
        patch(
            safetensors.numpy,
            "serialize_file",
            lambda real: _native(disk, "safetensors", real, 1, SafetensorError),
        )
        from matinee.maintenance import forget

        patch(forget, "_exchange", lambda real: _by_path(disk, "exchange", real))
        yield disk


def _by_path(disk: Disk, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any, *more: Any, **named: Any) -> Any:
        inside = named.get("dir_fd") is not None or named.get("src_dir_fd") is not None or disk.holds(path)
        if inside and not disk.busy:
            disk.change(name)
        return real(path, *more, **named)

    return call


def _by_handle(disk: Disk, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(handle: int, *more: Any, **named: Any) -> Any:
        if disk.holds(handle) and not disk.busy:
            half = (lambda: real(handle, more[0][: len(more[0]) // 2])) if name == "write" else (lambda: None)
            disk.change(name, half)
        return real(handle, *more, **named)

    return call


def _opening(disk: Disk, real: Callable[..., int]) -> Callable[..., int]:
    def call(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & _WRITING and (named.get("dir_fd") is not None or disk.holds(path)) and not disk.busy:
            disk.change("open")
        return real(path, flags, *more, **named)

    return call


def _files(disk: Disk, real: Callable[..., Any]) -> Callable[..., Any]:
    """`open`, which writes files below the root through a separate raw file."""

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            disk.change("write", lambda: super(Raw, self).write(bytes(data)[: len(data) // 2]))
            return super().write(data)

    def call(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: Any = None,
        errors: Any = None,
        newline: Any = None,
        **named: Any,
    ) -> Any:
        if (
            not set(mode) & set("wax+")
            or isinstance(file, int)
            or named.get("opener")
            or not disk.holds(file)
            or disk.busy
        ):
            return real(file, mode, buffering, encoding, errors, newline, **named)
        disk.change("open")
        raw = Raw(file, mode.replace("b", "").replace("t", ""))
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    return call


def _native(
    disk: Disk, name: str, real: Callable[..., Any], place: int, raises: type[Exception]
) -> Callable[..., Any]:
    """A library call that writes a whole file to the argument at `place`."""

    def call(*given: Any, **named: Any) -> Any:
        target = given[place] if len(given) > place else named.get("file") or named.get("path")

        def whole() -> Any:
            disk.busy = True
            try:
                return real(*given, **named)
            finally:
                disk.busy = False

        def half() -> None:
            whole()
            disk.busy = True
            with contextlib.suppress(OSError, TypeError):
                os.truncate(target, os.stat(target).st_size // 2)  # noqa: PTH116 - a path of any kind
            disk.busy = False

        if isinstance(target, str | Path) and disk.holds(target):
            disk.change(
                name, half, lambda number: raises(f"parquet: {os.strerror(number)} (os error {number})")
            )
        return whole()

    return call


def _step(disk: Disk, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """A write of pyarrow's writer."""

    def call(writer: Any, *given: Any, **named: Any) -> Any:
        where = writer.where
        if isinstance(where, str | Path) and disk.holds(where) and not disk.busy and writer.is_open:
            disk.change(name)
        disk.busy, was = True, disk.busy
        try:
            return real(writer, *given, **named)
        finally:
            disk.busy = was

    return call


def _begin(disk: Disk, real: Callable[..., None]) -> Callable[..., None]:
    """pyarrow's writer creates its file."""

    def call(writer: Any, where: Any, *given: Any, **named: Any) -> None:
        writer.is_open = False  # its __del__ reads this, also if the file was never opened
        if isinstance(where, str | Path) and disk.holds(where) and not disk.busy:
            disk.change("pyarrow")
        disk.busy, was = True, disk.busy
        try:
            real(writer, where, *given, **named)
        finally:
            disk.busy = was

    return call
