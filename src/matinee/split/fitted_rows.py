"""How many rows of each user and movie a model was fitted on: of the train rows alone, or of other subsets too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from matinee.store.ratings import read_batches


@dataclass(frozen=True, eq=False)
class FittedRows:
    """Rows by code."""

    users: npt.NDArray[np.int64]
    movies: npt.NDArray[np.int64]
    liked: npt.NDArray[np.int64]  # by movie: those of them that liked it


def count_fitted_rows(split: Path, subsets: Sequence[str], *, liked_from: float) -> FittedRows:
    """Count the rows of each user and each movie in some subsets of a split.

    Args:
        split: Folder of the split, whose tables have the counts of the train rows.
        subsets: Names of the subsets; `train` is one of them.
        liked_from: Lowest rating that counts as liked.
    """
    users, movies = (pq.read_table(split / f"{axis}.parquet") for axis in ("users", "movies"))
    columns = users["train_rows"], movies["train_rows"], movies["liked_rows"]
    found = FittedRows(*(column.to_numpy().copy() for column in columns))
    for batch in read_batches(split, [subset for subset in subsets if subset != "train"]):
        found.users[:] += np.bincount(batch.users, minlength=len(found.users))
        found.movies[:] += np.bincount(batch.movies, minlength=len(found.movies))
        liked = batch.movies[batch.ratings >= liked_from]
        found.liked[:] += np.bincount(liked, minlength=len(found.liked))
    return found
