"""Whether the tables of a release fit together: weights, id maps, what users have seen, and the prior.

A checksum says that a file is the one that was published, not that it makes sense. Each check raises ValueError, which
`ReleaseFiles.parsing` turns into a ReleaseError with the file's name.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matinee.release.idmap import IdMap
from matinee.release.rating_levels import STEPS
from matinee.schemas.text_ids import numbers_of_column

_COMPARED: Final = 1000  # text ids whose numbers are compared
Dimensions = tuple[str, ...]
ColumnKind = Literal["id", "count", "year", "text"]

LARGEST: Final = 1e9  # no weight of a rating model comes near, and what it makes of such numbers is finite
_BASELINE: Final[dict[str, Dimensions]] = {
    "baseline.mean": ("1",),
    "baseline.user_bias": ("users",),
    "baseline.movie_bias": ("movies",),
    "user_rows": ("users",),
    "movie_rows": ("movies",),
    "output.bias": ("1",),
}
# The shape of each table by model, in the words of `check_shapes`.
_TABLES: Final[dict[str, dict[str, Dimensions]]] = {
    "dot": {
        "mean": ("1",),
        "user_bias": ("users",),
        "movie_bias": ("movies",),
        "user_factors": ("users", "k"),
        "movie_factors": ("movies", "k"),
    },
    "linear": _BASELINE
    | {"user_embedding": ("users", "k"), "movie_embedding": ("movies", "k"), "output.weight": ("1", "2k")},
    "mlp": _BASELINE
    | {
        "user_embedding": ("users", "k"),
        "movie_embedding": ("movies", "k"),
        "hidden.weight": ("h", "2k"),
        "hidden.bias": ("h",),
        "output.weight": ("1", "h"),
    },
    "neumf": _BASELINE
    | {f"{axis}_{part}": (f"{axis}s", "k") for axis in ("user", "movie") for part in ("dot", "mlp")}
    | {"hidden.weight": ("h", "2k"), "hidden.bias": ("h",), "output.weight": ("1", "k+h")},
}
_VECTORS: Final = {"dot": "factors", "linear": "embedding", "mlp": "embedding", "neumf": "dot"}
COUNTS: Final = ("user_rows", "movie_rows")


def check_shapes(shapes: Mapping[str, tuple[int, ...]], *, model: str) -> tuple[int, int]:
    """How many users and movies the tables of a model are of, if they are all there and fit each other."""
    expected = _TABLES[model]
    if shapes.keys() != expected.keys():
        odd = sorted(shapes.keys() ^ expected.keys())
        raise ValueError(f"{odd[0]:.40} is missing or unexpected: a {model} model has {', '.join(expected)}")
    (users, size), (movies, _) = (shapes[f"{axis}_{_VECTORS[model]}"] for axis in ("user", "movie"))
    hidden = math.prod(shapes.get("hidden.bias", ()))
    sizes = {
        "1": 1,
        "users": users,
        "movies": movies,
        "k": size,
        "2k": 2 * size,
        "h": hidden,
        "k+h": size + hidden,
    }
    for name, shape in expected.items():
        wanted = tuple(sizes[each] for each in shape)
        if shapes[name] != wanted:
            raise ValueError(f"{name} has the shape {shapes[name]}; expected {wanted}")
    return users, movies


def check_ranking_shapes(shapes: Mapping[str, tuple[int, ...]], *, movies: int) -> None:
    """That the tables of a ranking model are all there, and of so many movies."""
    size = shapes.get("decode", (0, 0))[-1]
    tables = dict.fromkeys(("encode_rated", "encode_liked", "decode"), (movies, size))
    expected = {**tables, "popularity": (movies,)}
    if dict(shapes) != expected:
        raise ValueError(f"it has tables of the shapes {dict(shapes)}; expected {expected}")


def check_numbers(name: str, table: NDArray[Any]) -> None:
    """That a table holds numbers of a sensible size, and no less than none where it counts."""
    if table.dtype.kind == "f":
        # No number is larger than the length of all of them together, which is NaN if one of them is.
        with np.errstate(over="ignore", invalid="ignore"):
            length = float(np.dot(table.reshape(-1), table.reshape(-1))) ** 0.5
        sensible = length <= LARGEST
    else:
        sensible = not table.size or int(table.min()) >= 0
    if not sensible or (name in COUNTS) != (table.dtype.kind == "i"):
        raise ValueError(f"{name} has values that are not numbers or are out of bounds")


def read_table(
    data: bytes,
    columns: Mapping[str, ColumnKind],
    *,
    rows: int,
    optional: Mapping[str, ColumnKind] | None = None,
) -> dict[str, pa.ChunkedArray]:
    """The columns of a Parquet file that must have so many rows: ids ascend, counts are not negative.

    Columns that are optional are read if they are there.
    """
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        if file.metadata.num_rows != rows:
            raise ValueError(f"it has {file.metadata.num_rows:,} rows, and the weights are of {rows:,}")
        names = file.schema_arrow.names
        columns = {**columns, **{name: kind for name, kind in (optional or {}).items() if name in names}}
        if odd := [name for name in columns if names.count(name) != 1]:
            raise ValueError(f"it does not have exactly one column {odd[0]}")
        table = file.read(columns=list(columns), use_threads=False)
    if any(len(column) != rows for column in table.columns):  # its row groups can say something else
        raise ValueError(f"it declares {rows:,} rows and contains {len(table):,}")
    for name, kind in columns.items():
        _check_column(name, table[name], kind)
    return {name: table[name] for name in columns}


def _check_column(name: str, column: pa.ChunkedArray, kind: ColumnKind) -> None:
    if kind == "text":
        if not _is_text(column.type):
            raise ValueError(f"its column {name} is {column.type}, not text")
        column.validate(full=True)
        return
    if kind == "id" and _is_text(column.type):
        if column.null_count:
            raise ValueError(f"its column {name} has an empty id")
        column.validate(full=True)
        return
    fits = pa.types.is_int64(column.type) if kind == "id" else pa.types.is_integer(column.type)
    if not fits or (column.null_count and kind != "year"):
        raise ValueError(f"its column {name} is not all integers: {column.type}, {column.null_count} nulls")
    if kind == "year":
        return
    values = column.to_numpy()
    if kind == "id" and not (values[1:] > values[:-1]).all():
        raise ValueError(f"its column {name} does not ascend, so ids have no codes")
    if kind == "count" and len(values) and values.min() < 0:
        raise ValueError(f"its column {name} has a negative count")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def make_id_map(table: Mapping[str, pa.ChunkedArray], axis: str) -> IdMap:
    """The map of a table of users or movies: of its integer ids, or of its texts and their numbers."""
    ids = table[f"{axis}_id"]
    if not _is_text(ids.type):
        return IdMap(ids.to_numpy())
    if (numbers := table.get(f"{axis}_key")) is None:
        raise ValueError(
            f"its column {axis}_id is of texts, and it has no column {axis}_key of their numbers"
        )
    texts, keys = ids.combine_chunks(), numbers.to_numpy()
    some = np.unique(np.linspace(0, len(keys) - 1, min(_COMPARED, len(keys))).astype(np.int64))
    if (numbers_of_column(texts.take(pa.array(some))) != keys[some]).any():
        raise ValueError(f"its column {axis}_key does not have the numbers of its column {axis}_id")
    return IdMap(keys, texts)


@dataclass
class ArraySummary:
    """What is seen of an array whose blocks pass by."""

    high: int = -1  # the greatest value, taken as unsigned: a negative one is greater than all
    last: int = 0
    falls: bool = False  # whether any value is less than the one before

    def watch_codes(self, block: NDArray[np.int32]) -> None:
        """Look at a further block of codes, in any order."""
        if len(block):
            self.high = max(self.high, int(block.view(np.uint32).max()))

    def watch_levels(self, block: NDArray[np.uint8]) -> None:
        """Look at a further block of rating levels."""
        if len(block):
            self.high = max(self.high, int(block.max()))

    def watch_offsets(self, block: NDArray[np.int64]) -> None:
        """Look at a further block of offsets, which ascend from 0."""
        if len(block):
            self.falls |= int(block[0]) < self.last or bool((block[1:] < block[:-1]).any())
            self.last = int(block[-1])


def check_offsets(offsets: NDArray[np.int64], passed: ArraySummary, *, users: int, rows: int) -> None:
    """That the lists of so many users divide so many rows."""
    if len(offsets) != users + 1:
        raise ValueError(f"it has {len(offsets):,} values; expected {users + 1:,}, one more than users")
    if passed.falls or int(offsets[0]) != 0 or int(offsets[-1]) != rows:
        raise ValueError(f"it does not ascend from 0 to {rows:,}, the rows that users have seen")


def check_codes(passed: ArraySummary, *, movies: int) -> None:
    """That codes of movies are those of movies that there are."""
    if passed.high >= movies:
        raise ValueError(f"it has a code that none of the {movies:,} movies has")


def check_levels(passed: ArraySummary, *, rows: int, expected: int) -> None:
    """That each of so many rows has a rating level that there is."""
    if rows != expected or passed.high > STEPS:
        raise ValueError(f"it has {rows:,} levels up to {passed.high}; expected {expected:,} up to {STEPS}")


def check_array(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """An array of numbers in a JSON file, of a given shape."""
    array = np.array(value)
    if array.dtype.kind not in "if" or array.shape != shape:
        raise ValueError(f"{name} is not an array of numbers of the shape {shape}")
    if array.size and not (float(array.min()) >= -LARGEST and float(array.max()) <= LARGEST):
        raise ValueError(f"{name} has values that are not numbers or are out of bounds")
    return array
