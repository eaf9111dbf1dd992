"""Checkpoints of a running fit: one safetensors file per stage, replaced atomically, nothing pickled.

A fit that was killed resumes from its last checkpoint and ends with the same bits as an uninterrupted one.
"""

import json
import logging
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open

from matinee.formats.history import FitPoint
from matinee.store.files import replacing
from matinee.store.system import sync_data
from matinee.train.engine import Arrays

log = logging.getLogger(__name__)
State = TypeVar("State", bound=BaseModel)

# We write the file ourselves: `safetensors.save_file` takes seconds for a large fit, and delays a signal to stop.
_PIECE_BYTES = 1 << 25
_BLANK = b"--------"  # filled in once the arrays are written
_CHECKSUM_AT = 8 + len('{"__metadata__": {"crc32": "')
_DTYPES = {"<f4": "F32", "<f8": "F64", "<i4": "I32", "<i8": "I64"}


class FitState(BaseModel):
    """The progress of a stage; a checkpoint holds it together with the arrays of `best` and of the engine."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    epoch: int = 0
    best_epoch: int = 0
    best_rmse: float | None = None
    seconds: float = 0.0
    finished: bool = False
    points: list[FitPoint] = []
    best: Arrays = Field({}, exclude=True)


def save_checkpoint(path: Path, arrays: Arrays, progress: BaseModel) -> None:
    """Write arrays and the progress of a fit atomically: a reader sees the old checkpoint or this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh, fresh.open("wb") as out:
        head = _head(arrays, progress)
        checksum = zlib.crc32(head)
        unsynced = out.write(head)
        for piece in chain.from_iterable(map(_pieces, arrays.values())):
            unsynced += out.write(piece)
            checksum = zlib.crc32(piece, checksum)
            if unsynced >= _PIECE_BYTES:
                _sync(out)
                unsynced = 0
        out.seek(_CHECKSUM_AT)
        out.write(b"%08x" % checksum)


def _sync(out: BinaryIO) -> None:
    """Wait until everything written is on the disk."""
    out.flush()
    sync_data(out.fileno())


def _head(arrays: Arrays, progress: BaseModel) -> bytes:
    """The header of the file (https://huggingface.co/docs/safetensors): a length, then JSON of that length."""
    values = json.dumps(progress.model_dump(mode="json"))
    places, end = {}, 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        dtype = _DTYPES[array.dtype.str]
        places[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [start, end]}
    text = json.dumps({"__metadata__": {"crc32": _BLANK.decode(), "told": values}, **places}).encode()
    return len(text).to_bytes(8, "little") + text


def _pieces(array: npt.NDArray[Any]) -> Iterator[bytes]:
    """An array's raw memory, some rows at a time."""
    rows = np.atleast_1d(array)
    step = max(1, _PIECE_BYTES * len(rows) // max(rows.nbytes, 1))
    return (rows[start : start + step].tobytes() for start in range(0, len(rows), step))


def load_checkpoint(path: Path, model: type[State]) -> tuple[Arrays, State] | None:
    """The arrays and the progress of a checkpoint; None if there is no readable one."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
            progress = model.model_validate(json.loads(file.metadata()["told"]))
            checksum = file.metadata()["crc32"]
        if _checksum(path) != checksum:
            raise ValueError("its checksum does not match")
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        log.warning("The checkpoint %s is corrupt (%s); the fit starts from the beginning.", path, error)
        return None
    return arrays, progress


def _checksum(path: Path) -> str:
    """The CRC-32 of the header, without the checksum in it, and of the arrays."""
    with path.open("rb") as file:
        size = file.read(8)
        head = size + file.read(int.from_bytes(size, "little"))
        end = _CHECKSUM_AT + len(_BLANK)
        checksum = zlib.crc32(head[:_CHECKSUM_AT] + _BLANK + head[end:])
        while piece := file.read(_PIECE_BYTES):
            checksum = zlib.crc32(piece, checksum)
    return f"{checksum:08x}"
