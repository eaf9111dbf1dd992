"""The inputs of an evaluation: the test rows, and the errors of each model on them.

Read from the folders of a split and a candidate. Metrics, gate and plots are computed from them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import load_file

from matinee.evaluate.catalog import Catalog, NamedWeights
from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.drift import DataSummary, Drift, RowCounts, add_up, compare
from matinee.evaluate.gate import PairedErrors
from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.slices import Slicing, cut
from matinee.formats.manifests import CandidateManifest, SplitManifest
from matinee.release import scoring as forward
from matinee.release.arrays import Codes, Counts, Doubles, Ids
from matinee.store.documents import MANIFEST, read_as
from matinee.store.ratings import count_codes, count_rows, read_ratings
from matinee.train.baseline import fit_baseline


@dataclass(frozen=True)
class EvaluationInputs:
    """The test rows and each model's errors on them; an error is prediction - rating."""

    scale: tuple[float, float]
    train: DatedRatings
    valid: DatedRatings
    fitted: DatedRatings  # the rows that the tested weights and the baselines were fitted on
    test: DatedRatings
    candidate: Doubles
    bias_only: Doubles
    global_mean: Doubles
    slicings: tuple[Slicing, ...]
    catalog: Catalog
    against_champion: PairedErrors | None  # None without a champion
    against_anchor: PairedErrors | None  # the same object if the champion is the anchor
    drift: Drift | None  # between the champion's data and this data
    user_rows: Counts  # fitted rows by code; a code without any is unknown to the model
    movie_rows: Counts
    movie_ids: Ids  # by code


def collect_inputs(
    candidate: Path, split: Path, champion: ComparedModel | None, anchor: ComparedModel | None = None
) -> EvaluationInputs:
    """Read a split and a candidate, and predict the test rows with candidate, baselines, champion and anchor.

    Args:
        candidate: Folder of the candidate.
        split: Folder of its split.
        champion: The champion, to compare with; None without one.
        anchor: The release that small losses add up against.

    Returns:
        The test rows, and the errors of each model on them.

    Raises:
        StoreError: The candidate or the split is corrupt.
    """
    manifest = read_as(split / MANIFEST, SplitManifest)
    trained = read_as(candidate / MANIFEST, CandidateManifest)
    scale = manifest.scale[0], manifest.scale[1]
    users, movies = (pl.read_parquet(split / f"{name}.parquet") for name in ("users", "movies"))
    train, valid, fitted = read_fitted(split, refit="valid" in trained.fitted_on)
    test = read_test(split)
    baseline = fit_baseline(
        fitted.users, fitted.movies, fitted.ratings, users=users.height, movies=movies.height
    )
    weights = load_file(candidate / "weights.safetensors")

    def errors(prediction: NDArray[np.floating[Any]]) -> Doubles:
        return np.clip(prediction.astype(np.float64), *scale) - test.ratings

    ours = errors(forward.predict(weights, test.users, test.movies, model=trained.model))
    user_rows, movie_rows = count_codes(fitted.users, users.height), count_codes(fitted.movies, movies.height)
    years = movies["year"].fill_null(0).to_numpy()
    slicings = cut(test, user_rows=user_rows, movie_rows=movie_rows, movie_years=years)
    judged = _JudgedRows.of(test, (users, movies), (user_rows, movie_rows), candidate=ours, scale=scale)
    against_champion, against_anchor = judged.pair_both(champion, anchor, slicings)
    return EvaluationInputs(
        scale=scale,
        train=train,
        valid=valid,
        fitted=fitted,
        test=test,
        candidate=ours,
        bias_only=errors(baseline.predict(test.users, test.movies)),
        global_mean=errors(np.full(len(test), baseline.mean)),
        slicings=slicings,
        catalog=Catalog.of(
            fitted,
            rating_model=NamedWeights(weights, trained.model),
            sizes=(users.height, movies.height),
            scale=scale,
        ),
        against_champion=against_champion,
        against_anchor=against_anchor,
        drift=measure_drift(manifest, (train, valid, test), (users, movies), champion),
        user_rows=user_rows,
        movie_rows=movie_rows,
        movie_ids=movies["movie_id"].to_numpy(),
    )


def measure_drift(
    manifest: SplitManifest,
    subsets: tuple[DatedRatings, ...],
    tables: tuple[pl.DataFrame, pl.DataFrame],
    champion: ComparedModel | None,
) -> Drift | None:
    """Measure how far all rows of a split are from the champion's data.

    Args:
        manifest: The manifest of the split.
        subsets: Its rows.
        tables: Its users and its movies.
        champion: The champion; None without one.

    Returns:
        The drift; None if the champion's data is unknown.
    """
    before = champion.data_summary() if champion and champion.data_summary else None
    if before is None:
        return None
    now = DataSummary(
        ratings=add_up(manifest.counts_per_rating),
        users=_count(tables[0]["user_id"], [rows.users for rows in subsets]),
        movies=_count(tables[1]["movie_id"], [rows.movies for rows in subsets]),
    )
    return Drift(compare(now, before), before.past)


def _count(ids: pl.Series, subsets: list[Codes]) -> RowCounts:
    rows = np.zeros(len(ids), np.int64)
    for codes in subsets:
        rows += count_codes(codes, len(ids))
    return RowCounts.of(ids.to_numpy(), rows)


def read_fitted(split: Path, *, refit: bool) -> tuple[DatedRatings, DatedRatings, DatedRatings]:
    """Train rows, valid rows, and the rows that the tested weights were fitted on, as views of the same memory."""
    rows = read_ratings(split, ("train", "valid"))
    pa.default_memory_pool().release_unused()  # otherwise the pool keeps a third of the rows' memory
    both = DatedRatings.undated(rows.users, rows.movies, rows.ratings)
    of_train = count_rows(split / "train.parquet")
    return both[:of_train], both[of_train:], both if refit else both[:of_train]


def read_test(split: Path) -> DatedRatings:
    """The test rows of a split."""
    rows, dates = read_ratings(split, ("test",)), pl.read_parquet(split / "test.parquet", columns=["date"])
    return DatedRatings(rows.users, rows.movies, rows.ratings, dates["date"].to_numpy())


@dataclass(frozen=True)
class _JudgedRows:
    """The test rows, with the candidate's errors on them."""

    test: DatedRatings
    user_ids: Ids
    movie_ids: Ids
    candidate: Doubles
    known: NDArray[np.bool_]  # to the candidate: user and movie have a fitted row
    scale: tuple[float, float]

    @classmethod
    def of(
        cls,
        test: DatedRatings,
        tables: tuple[pl.DataFrame, pl.DataFrame],
        fitted_rows: tuple[Counts, Counts],
        *,
        candidate: Doubles,
        scale: tuple[float, float],
    ) -> Self:
        """The test rows, with the tables of users and movies and their counts of fitted rows."""
        (users, movies), (user_rows, movie_rows) = tables, fitted_rows
        return cls(
            test,
            user_ids=users["user_id"].to_numpy()[test.users],
            movie_ids=movies["movie_id"].to_numpy()[test.movies],
            candidate=candidate,
            known=(user_rows[test.users] > 0) & (movie_rows[test.movies] > 0),
            scale=scale,
        )

    def pair_both(
        self,
        champion: ComparedModel | None,
        anchor: ComparedModel | None,
        slicings: tuple[Slicing, ...],
    ) -> tuple[PairedErrors | None, PairedErrors | None]:
        """The errors against the champion, by slices too, and against the anchor, which may be the same model."""
        against_champion = self.pair(champion, slicings) if champion else None
        if champion and anchor and champion.digest == anchor.digest:
            return against_champion, against_champion
        return against_champion, self.pair(anchor) if anchor else None

    def pair(self, other: ComparedModel, slicings: tuple[Slicing, ...] = ()) -> PairedErrors:
        """The errors of the candidate and another model on the test rows that the other was not trained on."""
        seen = other.was_trained_on(self.user_ids, self.movie_ids, self.test.ratings)
        # Usually no row was seen; then nothing is copied.
        rows = np.flatnonzero(~seen) if seen.any() else slice(None)
        user_ids, movie_ids = self.user_ids[rows], self.movie_ids[rows]
        predicted = np.clip(other.predict(user_ids, movie_ids).astype(np.float64), *self.scale)
        return PairedErrors(
            users=self.test.users[rows],
            movies=self.test.movies[rows],
            candidate=self.candidate[rows],
            other=predicted - self.test.ratings[rows],
            slicings=tuple(slicing.take(rows) for slicing in slicings),
            known=self.known[rows] & other.knows_ids(user_ids, movie_ids) if other.knows_ids else None,
            rows=None if isinstance(rows, slice) else rows,
        )
