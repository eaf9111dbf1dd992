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
from matinee.evaluate.gate import Champion
from matinee.evaluate.metrics import Floats, Rows
from matinee.store import read_json


@dataclass(frozen=True)
class Evidence:
    """What is known of the test rows once everyone has predicted them; errors are prediction - rating."""

    scale: tuple[float, float]
    fitted: Rows  # the rows that the tested weights and the baselines were fitted on
    test: Rows
    candidate: Floats
    bias_only: Floats
    global_mean: Floats
    champion: Floats | None  # NaN where the champion was trained on the row
    known_users: NDArray[np.bool_]  # by code: whether any fitted row is theirs
    known_movies: NDArray[np.bool_]


def gather(candidate: Path, split: Path, champion: Champion | None) -> Evidence:
    """Read a split and a candidate, and let model, baselines and champion predict the test rows."""
    manifest, trained = read_json(split / "manifest.json"), read_json(candidate / "manifest.json")
    low, high = manifest["scale"]
    users = pl.read_parquet(split / "users.parquet")["user_id"].to_numpy()
    movies = pl.read_parquet(split / "movies.parquet")["movie_id"].to_numpy()
    refit = trained["settings"]["train"]["refit"] != "none"
    fitted = read_rows(split, "train", "valid") if refit else read_rows(split, "train")
    test = read_rows(split, "test")
    baseline = fit_baseline(fitted.users, fitted.movies, fitted.ratings, users=len(users), movies=len(movies))
    weights = load_file(candidate / "weights.safetensors")
    predicted = forward.predict(weights, test.users, test.movies, model=trained["model"])

    def errors(prediction: NDArray[np.floating[Any]]) -> Floats:
        return np.clip(prediction.astype(np.float64), low, high) - test.ratings

    return Evidence(
        scale=(low, high),
        fitted=fitted,
        test=test,
        candidate=errors(predicted),
        bias_only=errors(baseline.predict(test.users, test.movies)),
        global_mean=errors(np.full(len(test), baseline.mean)),
        champion=_champion_errors(champion, test, users, movies, (low, high)),
        known_users=np.bincount(fitted.users, minlength=len(users)) > 0,
        known_movies=np.bincount(fitted.movies, minlength=len(movies)) > 0,
    )


def read_rows(split: Path, *parts: str) -> Rows:
    """The rows of some parts of a split, one after the other."""
    table = pl.read_parquet([split / f"{part}.parquet" for part in parts])
    return Rows(
        users=table["user_code"].to_numpy(),
        movies=table["movie_code"].to_numpy(),
        ratings=table["rating"].to_numpy(),
        dates=table["date"].to_numpy(),
    )


def _champion_errors(
    champion: Champion | None,
    test: Rows,
    user_ids: NDArray[np.int64],
    movie_ids: NDArray[np.int64],
    scale: tuple[float, float],
) -> Floats | None:
    if champion is None:
        return None
    users, movies = user_ids[test.users], movie_ids[test.movies]
    errors = np.clip(champion.predict(users, movies).astype(np.float64), *scale) - test.ratings
    errors[champion.saw(users, movies, test.ratings)] = np.nan
    return errors
