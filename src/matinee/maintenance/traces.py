"""Where a user is in the folders of a store, and what folders refer to."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matinee.store.checksums import find_damage
from matinee.store.erased_users import numbers

_USERS = ("user_id.parquet", "users.parquet")
_NEEDS_USERS = {"partitions": "user_id.parquet", "encodings": "users.parquet", "splits": "users.parquet"}
_WORD = re.compile(rb'"(\w+)"')


def names_user(folder: Path, user_id: int) -> bool:
    """Whether a step's folder holds the id in tables of its own, or may: one that is damaged may hold anything.

    Raises OSError when a file that is there can't be read.
    """
    damaged, manifest = find_damage(folder)
    if damaged:
        return True
    needed = _NEEDS_USERS.get(folder.parent.name)
    if "seal" not in manifest and needed and not (folder / needed).exists():  # of an earlier version
        return True
    try:
        return any(row_of(folder / name, user_id) is not None for name in _USERS) or _is_rejected(
            folder, user_id
        )
    except (pa.ArrowException, ValueError, LookupError, OSError):
        return True  # its bytes are as they were written, or nobody knows: no table


def row_of(table: Path, user_id: int) -> int | None:
    """The row of a table of users that has the id; None where there is none, or no such table.

    Raises ValueError, LookupError or OSError when it can't be read.
    """
    if not table.exists():
        return None
    rows = np.flatnonzero(pq.read_table(table, columns=["user_id"])["user_id"].to_numpy() == user_id)
    return int(rows[0]) if len(rows) else None


def mentioned(folder: Path) -> set[str]:
    """All words in the JSON of a folder: the digests of what it was made of are among them."""
    files = (file for file in folder.glob("*.json") if file.is_file())
    return {word.decode("ascii", "replace") for file in files for word in _WORD.findall(file.read_bytes())}


def _is_rejected(folder: Path, user_id: int) -> bool:
    """Whether a line that was not understood may name the id."""
    rejects = folder / "rejects.parquet"
    if not rejects.exists():
        return False
    raw = pq.read_table(rejects, columns=["raw"])["raw"]
    likely = raw.filter(pc.match_substring(raw, str(abs(user_id))))
    return any(user_id in numbers(text) for text in likely.to_pylist())
