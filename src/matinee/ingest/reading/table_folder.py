"""Folders that are one table: Hive's `year=2003/` names columns, and Delta's log says which Parquet files are current.

Files that a Delta table no longer lists stay in its folder for days, and are not read. Format:
https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.store.paths import PATH_LENGTH

Constants = tuple[tuple[str, str], ...]
LOG: Final = "_delta_log"
_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_COMMIT: Final = re.compile(r"(\d{20})\.json", re.ASCII)
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.(\d{10}))?\.parquet", re.ASCII)
_FEATURES: Final = {"deletionVectors", "timestampNtz", "vacuumProtocolCheck", "v2Checkpoint", "columnMapping"}
_ACTIONS: Final = ("add", "remove", "metaData", "protocol")
_EXPORT: Final = "Write its current rows to Parquet or CSV, and give that."


def hive_columns(path: Path, folder: Path) -> Constants:
    """The columns that stand in the path of a file below a folder, as `year=2003`, with their values."""
    parts = [part.partition("=") for part in path.relative_to(folder).parts[:-1]]
    found = [(name, unquote(value)) for name, sign, value in parts if sign and name]
    return tuple((name, "" if value == _HIVE_NULL else value) for name, value in found)


def refuse_other_tables(folder: Path) -> None:
    """Raise DataError for a table of Iceberg or Hudi, whose folder also holds files that are not current."""
    is_iceberg = (folder / "metadata").is_dir() and any((folder / "metadata").glob("*.metadata.json"))
    if is_iceberg or (folder / ".hoodie").is_dir():
        kind = "an Iceberg" if is_iceberg else "a Hudi"
        raise DataError(f"{shown(folder, PATH_LENGTH)} is {kind} table, which is not read. {_EXPORT}")


def delta_files(folder: Path) -> dict[Path, Constants]:
    """The current files of a Delta table, with the columns that stand in its log, in the order of their names.

    Raises DataError if the log is incomplete, or if the table needs a feature that is not read.
    """
    label = shown(folder, PATH_LENGTH)
    state = _State(label)
    try:
        for action in _actions(folder / LOG, label):
            state.apply(action)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError, pa.ArrowException) as error:
        raise DataError(
            f"The log of the Delta table {label} is damaged ({shown(error)}). {_EXPORT}"
        ) from None
    files = {}
    for name, constants in sorted(state.files.items()):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise DataError(
                f"The Delta table {label} lists {shown(name)}, which is not a file in its folder. {_EXPORT}"
            )
        files[path] = constants
    return files


@dataclass
class _State:
    """What the actions of a log add up to."""

    label: str
    files: dict[str, Constants] = field(default_factory=dict)

    def apply(self, action: Mapping[str, Any]) -> None:
        """Apply one action. Raises DataError if it needs what is not read."""
        if protocol := action.get("protocol"):
            features = set(protocol.get("readerFeatures") or ())
            if protocol.get("minReaderVersion", 1) > 3 or features - _FEATURES:
                self._refuse(", ".join(sorted(features - _FEATURES)) or "a later version of the format")
        settings = dict((action.get("metaData") or {}).get("configuration") or {})
        if settings.get("delta.columnMapping.mode", "none") != "none":
            self._refuse("column mapping")
        if added := action.get("add"):
            if added.get("deletionVector"):
                self._refuse("deletion vectors")
            values = dict(added.get("partitionValues") or {}).items()
            constants = tuple((name, "" if value is None else str(value)) for name, value in values)
            self.files[unquote(added["path"])] = constants
        if removed := action.get("remove"):
            self.files.pop(unquote(removed["path"]), None)

    def _refuse(self, feature: str) -> None:
        raise DataError(f"The Delta table {self.label} needs {shown(feature)}, which is not read. {_EXPORT}")


def _actions(log: Path, label: str) -> Iterator[Mapping[str, Any]]:
    """The actions of the last checkpoint, and of all commits after it."""
    names = sorted(path.name for path in log.iterdir())
    commits = {int(found[1]) for name in names if (found := _COMMIT.fullmatch(name))}
    parts: dict[int, list[tuple[str, int]]] = {}
    for name in names:
        if found := _CHECKPOINT.fullmatch(name):
            parts.setdefault(int(found[1]), []).append((name, int(found[2] or 1)))
    whole = [version for version, files in parts.items() if len(files) == files[0][1]]
    last = max(whole, default=-1)
    later = sorted(version for version in commits if version > last)
    if later != list(range(last + 1, last + 1 + len(later))) or (last < 0 and not later):
        raise DataError(
            f"The log of the Delta table {label} lacks a commit. Copy the whole folder. {_EXPORT}"
        )
    for name, _ in parts.get(last, []):
        yield from _rows_of_checkpoint(log / name)
    for version in later:
        with (log / f"{version:020}.json").open("rb") as lines:
            yield from (json.loads(line) for line in lines if line.strip())


def _rows_of_checkpoint(path: Path) -> Iterator[Mapping[str, Any]]:
    file = pq.ParquetFile(path)
    columns = [name for name in _ACTIONS if name in file.schema_arrow.names]
    for batch in file.iter_batches(10_000, columns=columns):
        yield from batch.to_pylist()
