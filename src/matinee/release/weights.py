"""The weights of a release on disk: safetensors, in float32 or with vectors in float16, always float32 once read."""

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

HEADER_LIMIT = 1 << 16  # bytes: ours have a thousand
_DTYPES = {"F32": "<f4", "F16": "<f2", "I32": "<i4"}


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The tables of a weights file by name; what was stored in float16 comes back as float32.

    Raises SafetensorError or OSError when it can't be read.
    """
    return widen(load_file(path))


@dataclass(frozen=True)
class Place:
    """Where a table lies in a weights file, and what it is."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    first: int  # bytes from the start of the file
    last: int


def parse_header(data: bytes, size: int) -> list[Place]:
    """The tables of a weights file of a size, in the order of their places, from its first bytes.

    By the format's rules (huggingface.co/docs/safetensors): they follow each other without a gap up to the file's end.
    Raises ValueError, KeyError or TypeError when they don't.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    header.pop("__metadata__", None)
    found = [
        Place(
            name,
            np.dtype(_DTYPES[told["dtype"]]),
            tuple(map(operator.index, told["shape"])),
            *(8 + length + operator.index(place) for place in told["data_offsets"]),
        )
        for name, told in header.items()
    ]
    found.sort(key=lambda table: (table.first, table.last))
    ends = [8 + length, *(table.last for table in found)]
    for table, end in zip(found, ends, strict=False):
        if min(table.shape, default=0) < 0 or table.first != end:
            raise ValueError(f"its header places {table.name:.40} where it can't be")
        if table.last - table.first != math.prod(table.shape) * table.dtype.itemsize:
            raise ValueError(f"its header gives {table.name:.40} {table.last - table.first:,} bytes")
    if ends[-1] != size:
        raise ValueError(f"it has {size:,} bytes, and its header describes {ends[-1]:,}")
    return found


def widen(tables: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The tables with what was stored in float16 as float32."""
    return {
        name: table.astype(np.float32) if table.dtype == np.float16 else table
        for name, table in tables.items()
    }


def write_weights(
    path: Path, tables: dict[str, NDArray[Any]], *, metadata: dict[str, str] | None = None
) -> None:
    """Write a weights file, whole or not at all, with the mode that the umask gives: `save_file` makes it 0600.

    Raises SafetensorError or OSError when it can't be written.
    """
    with replacing(path) as fresh:
        save_file(tables, fresh, metadata=metadata)


def halve_weights(source: Path, target: Path) -> None:
    """Copy a weights file with its vectors in float16, which halves it.

    Means and biases stay as they are: they take next to nothing, and a rounded mean would move every rating.
    """
    with safe_open(source, framework="numpy") as file:
        told = file.metadata()
    tables = {
        name: table.astype(np.float16) if table.ndim > 1 else table
        for name, table in load_file(source).items()
    }
    write_weights(target, tables, metadata=told)
