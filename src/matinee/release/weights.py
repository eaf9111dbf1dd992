"""The weights of a release on disk: safetensors, in float32 or with vectors in float16. They are read as float32."""

import json
import math
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from matinee.store.files import replacing

HEADER_LIMIT = 1 << 16  # maximum bytes of a header; ours have a thousand
_DTYPES = {"F32": "<f4", "F16": "<f2", "I32": "<i4"}


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The tables of a weights file by name, in float32. Raises SafetensorError or OSError if it can't be read."""
    return widen(load_file(path))


@dataclass(frozen=True)
class StoredTable:
    """A table in a weights file: its name, type, shape and place."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    first: int  # bytes from the start of the file
    last: int


def parse_header(data: bytes, size: int) -> list[StoredTable]:
    """The tables of a weights file in their order, from its first bytes and its size.

    The format (huggingface.co/docs/safetensors) requires tables without gaps up to the end of the file. Raises
    ValueError, KeyError or TypeError otherwise.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    header.pop("__metadata__", None)
    found = [
        StoredTable(
            name,
            np.dtype(_DTYPES[place["dtype"]]),
            tuple(map(operator.index, place["shape"])),
            *(8 + length + operator.index(offset) for offset in place["data_offsets"]),
        )
        for name, place in header.items()
    ]
    found.sort(key=lambda table: (table.first, table.last))
    ends = [8 + length, *(table.last for table in found)]
    for table, end in zip(found, ends, strict=False):
        if min(table.shape, default=0) < 0 or table.first != end:
            raise ValueError(f"its header has an impossible place for {table.name:.40}")
        if table.last - table.first != math.prod(table.shape) * table.dtype.itemsize:
            raise ValueError(f"its header gives {table.name:.40} {table.last - table.first:,} bytes")
    if ends[-1] != size:
        raise ValueError(f"it has {size:,} bytes, and its header describes {ends[-1]:,}")
    return found


def widen(tables: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The tables with float16 converted to float32."""
    return {
        name: table.astype(np.float32) if table.dtype == np.float16 else table
        for name, table in tables.items()
    }


def write_weights(
    path: Path, tables: dict[str, NDArray[Any]], *, metadata: dict[str, str] | None = None
) -> None:
    """Write a weights file atomically, with the mode of the umask (`save_file` itself would use 0600).

    Raises SafetensorError or OSError if it can't be written.
    """
    with replacing(path) as fresh:
        save_file(tables, fresh, metadata=metadata)


def halve_weights(source: Path, target: Path) -> None:
    """Copy a weights file with its vectors in float16, which halves it.

    Means and biases stay in float32: they are small, and a rounded mean would change every rating.
    """
    with safe_open(source, framework="numpy") as file:
        metadata = file.metadata()
    tables = {
        name: table.astype(np.float16) if table.ndim > 1 else table
        for name, table in load_file(source).items()
    }
    write_weights(target, tables, metadata=metadata)
