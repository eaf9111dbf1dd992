"""Checkpoints of a fit under way: one safetensors file a stage, replaced atomically, nothing pickled.

A fit that was killed goes on from its last checkpoint and ends with the same bits as one that was not.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from matinee.train.engine import Arrays

log = logging.getLogger(__name__)


def save_checkpoint(path: Path, arrays: Arrays, told: dict[str, Any]) -> None:
    """Write arrays and JSON-like values so that a reader sees the old checkpoint or this one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    whole = {
        name: np.ascontiguousarray(array) for name, array in arrays.items()
    }  # safetensors writes raw memory
    save_file(whole, fresh, metadata={"told": json.dumps(told)})
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.replace(path)


def load_checkpoint(path: Path) -> tuple[Arrays, dict[str, Any]] | None:
    """The arrays and values of a checkpoint; None where there is none that can be read."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
            told: dict[str, Any] = json.loads(file.metadata()["told"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        log.warning("The checkpoint %s is damaged (%s); the fit starts anew.", path, error)
        return None
    return arrays, told
