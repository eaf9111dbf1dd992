"""The rows that models are compared on: test rows of a split that none of them was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.evaluate.comparison.subjects import Subject
from matinee.evaluate.inputs import read_fitted, read_test
from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.slices import Slicing, cut
from matinee.formats.manifests import SplitManifest
from matinee.release.arrays import Doubles, Ids
from matinee.store import Store
from matinee.store.ratings import count_codes


@dataclass(frozen=True)
class SharedTestRows:
    """The test rows of a split, and which of them no model was trained on."""

    manifest: SplitManifest
    users: pl.DataFrame
    movies: pl.DataFrame
    fitted: DatedRatings  # what users are known by
    test: DatedRatings
    unseen: NDArray[np.bool_]  # by test row

    @property
    def scale(self) -> tuple[float, float]:
        """The scale of the ratings."""
        return self.manifest.scale[0], self.manifest.scale[1]

    @property
    def judged(self) -> DatedRatings:
        """The test rows that no model was trained on."""
        return self.test.take(np.flatnonzero(self.unseen))

    def errors(self, subject: Subject) -> Doubles:
        """Prediction - rating of a model on the judged rows."""
        rows = self.judged
        predicted = subject.model.predict(*self.ids_of(rows)).astype(np.float64)
        errors: Doubles = np.clip(predicted, *self.scale) - rows.ratings
        return errors

    def ids_of(self, rows: DatedRatings) -> tuple[Ids, Ids]:
        """The ids of the users and movies of some rows."""
        users, movies = self.users["user_id"].to_numpy(), self.movies["movie_id"].to_numpy()
        return users[rows.users], movies[rows.movies]

    def slicings(self) -> tuple[Slicing, ...]:
        """The slicings of the judged rows."""
        years = self.movies["year"].fill_null(0).to_numpy() if "year" in self.movies.columns else None
        return cut(
            self.judged,
            user_rows=count_codes(self.fitted.users, self.users.height),
            movie_rows=count_codes(self.fitted.movies, self.movies.height),
            movie_years=np.zeros(self.movies.height, np.int16) if years is None else years,
        )


def find_common_rows(store: Store, subjects: Sequence[Subject]) -> SharedTestRows | None:
    """The rows of the split that leaves the most rows to compare on; None if the store has no split of any model."""
    digests = dict.fromkeys(subject.note.split for subject in subjects)
    found = [rows for digest in digests if (rows := _rows(store, digest, subjects)) is not None]
    return max(found, key=lambda rows: int(rows.unseen.sum()), default=None)


def _rows(store: Store, digest: str | None, subjects: Sequence[Subject]) -> SharedTestRows | None:
    manifest = store.read_if_kept(SplitManifest, digest)
    if manifest is None:
        return None
    folder = store.folder("splits", manifest.digest)
    users, movies = (pl.read_parquet(folder / f"{axis}.parquet") for axis in ("users", "movies"))
    test = read_test(folder)
    rows = SharedTestRows(
        manifest, users, movies, _fitted(folder, subjects), test, np.ones(len(test), np.bool_)
    )
    ids = rows.ids_of(test)
    for subject in subjects:
        rows.unseen[subject.model.was_trained_on(*ids, test.ratings)] = False
    return rows


def _fitted(folder: Path, subjects: Sequence[Subject]) -> DatedRatings:
    """The train rows, and the valid rows if the models were fitted on them too."""
    trains = [subject.settings.get("train") for subject in subjects]
    return read_fitted(
        folder, refit=all(isinstance(each, dict) and each.get("refit") != "none" for each in trains)
    )[2]
