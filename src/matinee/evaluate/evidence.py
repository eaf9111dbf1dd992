"""The evidence of an evaluation: the test rows, and how far off everyone is on them.

Read from a split's and a candidate's folders; the figures, the gate and the plots are all made from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import load_file

from matinee.evaluate.catalogue import Catalogue
from matinee.evaluate.drift import Drift, Portrait, Tally, add_up, compare
from matinee.evaluate.gate import Champion, Contest
from matinee.evaluate.metrics import Codes, Floats, Rows
from matinee.evaluate.slices import Counts, Slicing, cut
from matinee.release import scoring as forward
from matinee.store.documents import read_json
from matinee.store.ratings import count_codes, count_rows, read_ratings
from matinee.train.baseline import fit_baseline


@dataclass(frozen=True)
class Evidence:
    """What is known of the test rows once everyone has predicted them; errors are prediction - rating."""

    scale: tuple[float, float]
    train: Rows
    valid: Rows
    fitted: Rows  # the rows that the tested weights and the baselines were fitted on
    test: Rows
    candidate: Floats
    bias_only: Floats
    global_mean: Floats
    slicings: tuple[Slicing, ...]
    catalogue: Catalogue
    contest: Contest | None  # with the champion, where there is one
    anchor: Contest | None  # with the anchor, the same where the champion is the anchor
    drift: Drift | None  # of the data since the champion's
    user_rows: Counts  # fitted rows by code; who has none is unknown to the model
    movie_rows: Counts


def gather(
    candidate: Path, split: Path, champion: Champion | None, anchor: Champion | None = None
) -> Evidence:
    """Read a split and a candidate, and let model, baselines, champion and anchor predict the test rows."""
    manifest, trained = read_json(split / "manifest.json"), read_json(candidate / "manifest.json")
    scale = manifest["scale"][0], manifest["scale"][1]
    users, movies = pl.read_parquet(split / "users.parquet"), pl.read_parquet(split / "movies.parquet")
    train, valid, fitted = _read_fitted(split, refit=trained["settings"]["train"]["refit"] != "none")
    test = _read_test(split)
    baseline = fit_baseline(
        fitted.users, fitted.movies, fitted.ratings, users=users.height, movies=movies.height
    )
    weights = load_file(candidate / "weights.safetensors")

    def errors(prediction: NDArray[np.floating[Any]]) -> Floats:
        return np.clip(prediction.astype(np.float64), *scale) - test.ratings

    ours = errors(forward.predict(weights, test.users, test.movies, model=trained["model"]))
    user_rows, movie_rows = (
        count_codes(codes, table.height) for codes, table in ((fitted.users, users), (fitted.movies, movies))
    )
    years = movies["year"].fill_null(0).to_numpy()
    slicings = cut(test, user_rows=user_rows, movie_rows=movie_rows, movie_years=years)
    ids = users["user_id"].to_numpy()[test.users], movies["movie_id"].to_numpy()[test.movies]
    known = (user_rows[test.users] > 0) & (movie_rows[test.movies] > 0)

    def meet(opponent: Champion, cuts: tuple[Slicing, ...] = ()) -> Contest:
        return _meet(opponent, *ids, test=test, candidate=ours, known=known, slicings=cuts, scale=scale)

    contest = meet(champion, slicings) if champion else None
    is_same = champion is not None and anchor is not None and champion.digest == anchor.digest
    return Evidence(
        scale=scale,
        train=train,
        valid=valid,
        fitted=fitted,
        test=test,
        candidate=ours,
        bias_only=errors(baseline.predict(test.users, test.movies)),
        global_mean=errors(np.full(len(test), baseline.mean)),
        slicings=slicings,
        catalogue=Catalogue(
            weights=weights,
            model=trained["model"],
            train_rows=movies["train_rows"].to_numpy(),
            liked_rows=movies["liked_rows"].to_numpy(),
            users=users.height,
            scale=scale,
        ),
        contest=contest,
        anchor=contest if is_same else meet(anchor) if anchor else None,
        drift=_measure_drift(manifest, (train, valid, test), (users, movies), champion),
        user_rows=user_rows,
        movie_rows=movie_rows,
    )


def _measure_drift(
    manifest: dict[str, Any],
    parts: tuple[Rows, ...],
    tables: tuple[pl.DataFrame, pl.DataFrame],
    champion: Champion | None,
) -> Drift | None:
    before = champion.portrait() if champion and champion.portrait else None
    if before is None:
        return None
    now = Portrait(
        ratings=add_up(manifest["counts_per_rating"]),
        users=_count(tables[0]["user_id"], [rows.users for rows in parts]),
        movies=_count(tables[1]["movie_id"], [rows.movies for rows in parts]),
    )
    return Drift(compare(now, before), before.past)


def _count(ids: pl.Series, parts: list[Codes]) -> Tally:
    rows = np.zeros(len(ids), np.int64)
    for codes in parts:
        rows += count_codes(codes, len(ids))
    return Tally.of(ids.to_numpy(), rows)


def _read_fitted(split: Path, *, refit: bool) -> tuple[Rows, Rows, Rows]:
    """Train rows, valid rows, and those that the tested weights were fitted on: parts of the same memory."""
    rows = read_ratings(split, ("train", "valid"))
    pa.default_memory_pool().release_unused()  # a third of what the rows take, which it would keep
    undated = np.broadcast_to(np.datetime64("NaT", "D"), len(rows))
    both = Rows(rows.users, rows.movies, rows.ratings, undated)
    of_train = count_rows(split / "train.parquet")
    return both[:of_train], both[of_train:], both if refit else both[:of_train]


def _read_test(split: Path) -> Rows:
    rows, dates = read_ratings(split, ("test",)), pl.read_parquet(split / "test.parquet", columns=["date"])
    return Rows(rows.users, rows.movies, rows.ratings, dates["date"].to_numpy())


def _meet(
    champion: Champion,
    user_ids: NDArray[np.int64],
    movie_ids: NDArray[np.int64],
    *,
    test: Rows,
    candidate: Floats,
    known: NDArray[np.bool_],
    slicings: tuple[Slicing, ...],
    scale: tuple[float, float],
) -> Contest:
    """The candidate and the champion on the test rows that the champion was not trained on."""
    saw = champion.saw(user_ids, movie_ids, test.ratings)
    # As a rule that is all of them: then nothing is copied.
    rows = np.flatnonzero(~saw) if saw.any() else slice(None)
    user_ids, movie_ids = user_ids[rows], movie_ids[rows]
    predicted = np.clip(champion.predict(user_ids, movie_ids).astype(np.float64), *scale)
    return Contest(
        users=test.users[rows],
        movies=test.movies[rows],
        candidate=candidate[rows],
        champion=predicted - test.ratings[rows],
        slicings=tuple(slicing.take(rows) for slicing in slicings),
        known=known[rows] & champion.knows(user_ids, movie_ids) if champion.knows else None,
    )
