"""Find a user in the folders of a store, and the folders that a folder refers to."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matinee.schemas.text_ids import number_of, spellings
from matinee.store.checksums import find_damage
from matinee.store.erased_users import ErasedUser

_USERS = ("user_id.parquet", "users.parquet")
_NEEDS_USERS = {"partitions": "user_id.parquet", "encodings": "users.parquet", "splits": "users.parquet"}
_WORD = re.compile(rb'"(\w+)"')


def has_user(folder: Path, user: ErasedUser) -> bool:
    """Whether the folder of a step has the user in its own tables. A damaged folder counts as having it.

    Raises OSError if an existing file can't be read.
    """
    damaged, manifest = find_damage(folder)
    if damaged:
        return True
    needed = _NEEDS_USERS.get(folder.parent.name)
    if "seal" not in manifest and needed and not (folder / needed).exists():  # of an earlier version
        return True
    try:
        return any(row_of(folder / name, user) is not None for name in _USERS) or _is_rejected(folder, user)
    except (pa.ArrowException, ValueError, LookupError, OSError):
        return True  # not a readable table, so its content is unknown


def row_of(table: Path, user: ErasedUser) -> int | None:
    """The row of a user in a table of users; None if the table lacks the user or does not exist.

    Raises ValueError, LookupError or OSError if the table can't be read.
    """
    if not table.exists():
        return None
    names = pq.read_schema(table).names
    column = pq.read_table(table, columns=["user_id"])["user_id"]
    if not pa.types.is_integer(column.type):
        rows = np.flatnonzero(pc.equal(column, user.text).to_numpy())
    else:
        is_text = "user_text" in names or (table.parent / "user_texts.parquet").exists()
        number = number_of(user.text) if is_text else user.number
        rows = np.flatnonzero(column.to_numpy() == number) if number is not None else np.empty(0, np.int64)
    return int(rows[0]) if len(rows) else None


def mentioned(folder: Path) -> set[str]:
    """All words in the JSON files of a folder, which include the digests of its inputs."""
    files = (file for file in folder.glob("*.json") if file.is_file())
    return {word.decode("ascii", "replace") for file in files for word in _WORD.findall(file.read_bytes())}


def _is_rejected(folder: Path, user: ErasedUser) -> bool:
    """Whether a rejected line may contain the id."""
    rejects = folder / "rejects.parquet"
    if not rejects.exists():
        return False
    raw = pq.read_table(rejects, columns=["raw"])["raw"]
    parts = spellings(user.text) if user.number is None else {str(abs(user.number))}
    likely = (raw.filter(pc.match_substring(raw, part)) for part in sorted(parts))
    return any(user.is_mentioned(text) for texts in likely for text in texts.to_pylist())
