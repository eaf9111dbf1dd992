"""The files of a release. Each is opened once, so that the bytes that were checked are the bytes that are used.

Small files and the weights are read whole, checked and then parsed. The lists of seen movies are memory-mapped and
checked through the same handle. A file that replaces them later changes nothing, but one that overwrites their bytes
does.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError

from matinee.errors import ReleaseError
from matinee.errors.text import shown
from matinee.release.folder import Folder, check_list, open_file, open_folder, unreadable
from matinee.release.manifest import (
    SIGNATURE,
    ReleaseManifest,
    check_schema_version,
    parse_manifest,
    read_manifest_bytes,
)
from matinee.release.signature import check_signature
from matinee.release.weights import HEADER_LIMIT, StoredTable, parse_header, widen
from matinee.store.documents import MANIFEST, describe

_BLOCK: Final = 1 << 22
# The header that numpy.save writes for a one-dimensional array; no other header is accepted.
_NPY: Final = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '(<i[48]|\|u1)', 'fortran_order': False, 'shape': \(([0-9]{1,15}),\), \} *\n",
    re.DOTALL,
)
_NPY_HEADER: Final = 256
# All errors that the parsers raised for invalid data.
_NONSENSE: Final = (
    pa.ArrowException,
    SafetensorError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,
    MemoryError,
    OSError,
)
Watch = Callable[[NDArray[Any]], None]


@dataclass(frozen=True)
class ReleaseFiles:
    """The files of a release with a valid manifest and exactly the files that it lists."""

    folder: Folder
    manifest: ReleaseManifest

    @property
    def names(self) -> dict[str, str]:
        """The sha256 of each file by its name."""
        return self.manifest.files

    def path(self, name: str) -> Path:
        """The path of a file, for messages."""
        return self.folder.path / name

    def check(self, name: str) -> None:
        """Raise ReleaseError if a file has changed since it was published."""
        with self._open(name) as (file, _):
            state = hashlib.sha256()
            while block := file.read(_BLOCK):
                state.update(block)
            self._compare(name, state.hexdigest())

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises ReleaseError if they have changed since they were published.
        """
        with self._open(name) as (file, size):
            data = file.read(size)
            self._compare(name, hashlib.sha256(data).hexdigest())
            return data

    def read_tables(
        self, name: str, *, accept: Callable[[list[StoredTable]], Any]
    ) -> dict[str, NDArray[Any]]:
        """The tables of a weights file; `accept` checks their types and shapes before any table is read.

        Raises ReleaseError if they have changed since they were published.
        """
        with self._open(name) as (file, size):
            try:
                length = 8 + min(int.from_bytes(file.read(8), "little"), HEADER_LIMIT)
                file.seek(0)
                header = file.read(length)
                places = parse_header(header, size)
                accept(places)
            except _NONSENSE as error:
                self.check(name)  # a changed file is reported as changed, not as invalid
                with self.parsing(name):
                    raise error
            state, tables = hashlib.sha256(header), {}
            for place in places:
                tables[place.name] = np.empty(place.shape, place.dtype)
                view = memoryview(tables[place.name].reshape(-1).view(np.uint8))  # type: ignore[arg-type]
                for first in range(0, len(view), _BLOCK):
                    block = view[first : first + _BLOCK]
                    state.update(block[: file.readinto(block)])  # type: ignore[attr-defined]
            self._compare(name, state.hexdigest())
            return widen(tables)

    def map(self, name: str, dtype: type[Any], *, watch: Watch) -> NDArray[Any]:
        """A memory-mapped one-dimensional array of a .npy file; `watch` gets it in blocks during the check.

        Raises ReleaseError if it has changed since it was published.
        """
        with self._open(name) as (file, size):
            place = _parse_header(file.read(_NPY_HEADER), np.dtype(dtype), size)
            file.seek(0)
            state = hashlib.sha256(file.read(place[0]) if place else b"")
            while block := file.read(_BLOCK):
                state.update(block)
                if place:
                    watch(np.frombuffer(block, dtype))
            self._compare(name, state.hexdigest())
            with self.parsing(name):
                if place is None:
                    raise ValueError(
                        f"it is not a one-dimensional array of {np.dtype(dtype)} as numpy writes it"
                    )
                return np.memmap(file, dtype, mode="r", offset=place[0], shape=(place[1],))

    @contextlib.contextmanager
    def parsing(self, name: str) -> Iterator[None]:
        """Turn any error that a file's content causes into a ReleaseError that names the file."""
        try:
            yield
        except _NONSENSE as error:
            what = "there is not enough memory for it" if isinstance(error, MemoryError) else error
            what = describe(error) if isinstance(error, ValidationError) else what
            raise ReleaseError(
                f"{shown(self.path(name))} has not changed since it was published, but it is not valid: {shown(what)}. "
                "Roll back to another release, and publish this one again."
            ) from error

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[tuple[BinaryIO, int]]:
        with open_file(self.folder, name) as file:
            try:
                yield file, os.fstat(file.fileno()).st_size
            except (OSError, MemoryError) as error:
                raise unreadable(self.path(name), error) from error

    def _compare(self, name: str, found: str) -> None:
        expected = self.names[name]
        if found != expected:
            raise ReleaseError(
                f"{shown(self.path(name))} was changed after it was published: its sha256 is {found[:12]}…, the "
                f"manifest says {expected[:12]}…. Roll back to another release, or restore this one from a backup."
            )


@contextlib.contextmanager
def open_release(path: Path, *, public_key: Path | None) -> Iterator[ReleaseFiles]:
    """Open a release's folder; with a key, its manifest must be signed by it.

    Raises ReleaseError when it is none, when files are missing or too many, or when the signature is not of the key.
    """
    with open_folder(path) as folder:
        data = read_manifest_bytes(folder)
        manifest = parse_manifest(path, data)
        check_schema_version(path, manifest.schema_version)
        if public_key is not None:
            check_signature(folder, data, key=public_key)
        check_list(folder, {MANIFEST, *manifest.files}, optional={SIGNATURE})
        yield ReleaseFiles(folder, manifest)


def _parse_header(data: bytes, dtype: np.dtype[Any], size: int) -> tuple[int, int] | None:
    """The offset and the number of the values in a .npy file; None if the header is not one of ours."""
    found = _NPY.match(data)
    if (
        found is None
        or found[2].decode() != dtype.str
        or int.from_bytes(found[1], "little") != found.end() - 10
        or size != found.end() + int(found[3]) * dtype.itemsize
    ):
        return None
    return found.end(), int(found[3])
