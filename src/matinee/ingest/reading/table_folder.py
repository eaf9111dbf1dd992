"""Folders that are one table: Hive's `year=2003/` names columns, and Delta's log says which Parquet files are current.

Files that a Delta table no longer lists stay in its folder for days, and are not read. Format:
https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from matinee.containers.tables import check_footer
from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.store.files import open_plain
from matinee.store.paths import PATH_LENGTH

Constants = tuple[tuple[str, str], ...]
LOG: Final = "_delta_log"
_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_COMMIT: Final = re.compile(r"(\d{20})\.json", re.ASCII)
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.(\d{10}))?\.parquet", re.ASCII)
_FEATURES: Final = {"deletionVectors", "timestampNtz", "vacuumProtocolCheck", "v2Checkpoint", "columnMapping"}
# Columns of a checkpoint. Statistics of files, which take most of it, are not read.
_ACTIONS: Final = (
    *("add.path", "add.partitionValues", "add.deletionVector", "remove.path"),
    *("metaData.configuration", "protocol", "sidecar.path"),
)
_LONGEST_LINE: Final = 1 << 24  # of a commit
_LONGEST_VALUES: Final = 4096  # characters of the values of a file, which its path has as well
_MOST_FILES: Final = 100_000
_ROWS_AT_ONCE: Final = 1_000
# What a log of other content raises, and a pipe or a link in its place.
_DAMAGE: Final = (
    *(ValueError, TypeError, AttributeError, KeyError, RecursionError, OSError, pa.ArrowException),
)
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
    except _DAMAGE as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"The log of the Delta table {label} is damaged ({shown(said)}). {_EXPORT}") from None
    files = {}
    for name, constants in sorted(state.files.items()):
        path = folder / name
        if not _is_file_in(folder, path):
            raise DataError(
                f"The Delta table {label} lists '{shown(name)}', which is not a file in its folder. {_EXPORT}"
            )
        files[path] = constants
    return files


def _is_file_in(folder: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve()) and path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


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
        if action.get("sidecar"):
            self._refuse("the sidecars of a checkpoint")
        settings = dict((action.get("metaData") or {}).get("configuration") or {})
        if settings.get("delta.columnMapping.mode", "none") != "none":
            self._refuse("column mapping")
        if (added := action.get("add")) is not None:
            self._add(added)
        if (removed := action.get("remove")) is not None:
            self.files.pop(unquote(removed["path"]), None)

    def _add(self, added: Mapping[str, Any]) -> None:
        if added.get("deletionVector"):
            self._refuse("deletion vectors")
        values = dict(added.get("partitionValues") or {}).items()
        constants = tuple((name, "" if value is None else str(value)) for name, value in values)
        if sum(len(name) + len(value) for name, value in constants) > _LONGEST_VALUES:
            raise ValueError(f"the values of a file have more than {_LONGEST_VALUES:,} characters")
        self.files[unquote(added["path"])] = constants
        if len(self.files) > _MOST_FILES:
            raise ValueError(f"it lists more than {_MOST_FILES:,} files")

    def _refuse(self, feature: str) -> None:
        raise DataError(f"The Delta table {self.label} needs {shown(feature)}, which is not read. {_EXPORT}")


def _actions(log: Path, label: str) -> Iterator[Mapping[str, object]]:
    """The actions of the last checkpoint, and of all commits after it."""
    if log.is_symlink():
        raise ValueError("it is a link")
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
        yield from _rows_of_commit(log / f"{version:020}.json")


def _rows_of_commit(path: Path) -> Iterator[Any]:
    with open_plain(path, follow_links=False) as file:
        if not os.fstat(file.fileno()).st_size:
            raise ValueError(f"{path.name} is empty")
        while line := file.readline(_LONGEST_LINE + 1):
            if len(line) > _LONGEST_LINE:
                raise ValueError(f"{path.name} has a line of more than {_LONGEST_LINE >> 20} MB")
            if line.strip():
                yield json.loads(line)


def _rows_of_checkpoint(path: Path) -> Iterator[Any]:
    with open_plain(path, follow_links=False) as raw:
        check_footer(raw, shown(path, PATH_LENGTH))
        file = pq.ParquetFile(raw)
        if "add" not in file.schema_arrow.names:
            raise ValueError(f"{path.name} lists no files")
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[*_ACTIONS]):
            yield from batch.to_pylist()
