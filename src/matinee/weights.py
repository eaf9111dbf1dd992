"""The weights of a release on disk: safetensors, in float32 or with vectors in float16, always float32 once read."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from matinee.files import replacing


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The tables of a weights file by name; what was stored in float16 comes back as float32.

    Raises SafetensorError or OSError when it can't be read.
    """
    tables: dict[str, NDArray[Any]] = load_file(path)
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
