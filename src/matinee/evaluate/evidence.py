"""The evidence of an evaluation: the test rows, and how far off everyone is on them.

Read from a split's and a candidate's folders; the figures, the gate and the plots are all made from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file

from matinee import forward
from matinee.baseline import fit_baseline
from matinee.evaluate.catalogue import Catalogue
from matinee.evaluate.drift import Drift, Portrait, Tally, add_up, compare
from matinee.evaluate.gate import Champion, Contest
from matinee.evaluate.metrics import Codes, Floats, Rows
from matinee.evaluate.slices import Slicing, cut
from matinee.store import read_json


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
    known_users: NDArray[np.bool_]  # by code: whether any fitted row is theirs
    known_movies: NDArray[np.bool_]


def gather(
    candidate: Path, split: Path, champion: Champion | None, anchor: Champion | None = None
) -> Evidence:
    """Read a split and a candidate, and let model, baselines, champion and anchor predict the test rows."""
    manifest, trained = read_json(split / "manifest.json"), read_json(candidate / "manifest.json")
    scale = manifest["scale"][0], manifest["scale"][1]
    users, movies = pl.read_parquet(split / "users.parquet"), pl.read_parquet(split / "movies.parquet")
    train, valid, fitted = _read_fitted(split, refit=trained["settings"]["train"]["refit"] != "none")
    test = _read_rows(split, "test")
    baseline = fit_baseline(
        fitted.users, fitted.movies, fitted.ratings, users=users.height, movies=movies.height
    )
    weights = load_file(candidate / "weights.safetensors")

    def errors(prediction: NDArray[np.floating[Any]]) -> Floats:
        return np.clip(prediction.astype(np.float64), *scale) - test.ratings

    ours = errors(forward.predict(weights, test.users, test.movies, model=trained["model"]))
    known_users = np.bincount(fitted.users, minlength=users.height) > 0
    known_movies = np.bincount(fitted.movies, minlength=movies.height) > 0
    slicings = cut(test, fitted, movies["year"].fill_null(0).to_numpy())
    ids = users["user_id"].to_numpy()[test.users], movies["movie_id"].to_numpy()[test.movies]
    known = known_users[test.users] & known_movies[test.movies]

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
        known_users=known_users,
        known_movies=known_movies,
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
        rows += np.bincount(codes, minlength=len(ids))
    return Tally.of(ids.to_numpy(), rows)


def _read_fitted(split: Path, *, refit: bool) -> tuple[Rows, Rows, Rows]:
    """Train rows, valid rows, and those that the tested weights were fitted on: parts of the same memory."""
    both = _read_rows(split, "train", "valid", dates=False)
    rows = pl.scan_parquet(split / "train.parquet").select(pl.len()).collect().item()
    train, valid = both[:rows], both[rows:]
    return train, valid, both if refit else train


def _read_rows(split: Path, *parts: str, dates: bool = True) -> Rows:
    """The rows of some parts of a split, one after the other; all dates are NaT where not asked for."""
    columns = ["user_code", "movie_code", "rating", *(["date"] if dates else [])]
    table = pl.read_parquet([split / f"{part}.parquet" for part in parts], columns=columns)
    undated = np.broadcast_to(np.datetime64("NaT", "D"), table.height)
    return Rows(
        users=table["user_code"].to_numpy(),
        movies=table["movie_code"].to_numpy(),
        ratings=table["rating"].to_numpy(),
        dates=table["date"].to_numpy() if dates else undated,
    )


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
    rows = np.flatnonzero(~champion.saw(user_ids, movie_ids, test.ratings))
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
