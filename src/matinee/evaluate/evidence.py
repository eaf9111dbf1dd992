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
from matinee.evaluate.gate import Champion, Contest
from matinee.evaluate.metrics import Floats, Rows
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
    known_users: NDArray[np.bool_]  # by code: whether any fitted row is theirs
    known_movies: NDArray[np.bool_]


def gather(candidate: Path, split: Path, champion: Champion | None) -> Evidence:
    """Read a split and a candidate, and let model, baselines and champion predict the test rows."""
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
    contest = None
    if champion is not None:
        ids = users["user_id"].to_numpy()[test.users], movies["movie_id"].to_numpy()[test.movies]
        known = known_users[test.users] & known_movies[test.movies]
        contest = _meet(
            champion, *ids, test=test, candidate=ours, known=known, slicings=slicings, scale=scale
        )
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
        catalogue=Catalogue(weights, trained["model"], movies["train_rows"].to_numpy(), users.height, scale),
        contest=contest,
        known_users=known_users,
        known_movies=known_movies,
    )


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
