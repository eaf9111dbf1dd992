"""Compares `fold_in` of new users with a model that was trained with these users.

    python bench/fold_in.py --ratings RATINGS... [--preset fast] [--users 500] [--seed 0] [--set NAME=VALUE]...

A tenth of all rows is held out. One model is fitted on the other rows. A second model is fitted without some users, who
are then folded in with their rows, or with the first few of them in random order. Prints the RMSE on the held-out rows
of these users, also for bias-only, as JSON.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import matinee
from matinee import ingest
from matinee.release.idmap import IdMap
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.train.baseline import SHRINK, fit_baseline

_FEW = (0, 5, 10, 20)


def main() -> None:
    """Fit both models, fold the users in, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", nargs="+", type=Path, required=True)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    call = parser.parse_args()
    fixed = ["split.strategy=given", "train.refit=none", "gate.tolerance=10"]
    settings = read_settings(preset=call.preset, assignments=[*call.set, *fixed])
    with tempfile.TemporaryDirectory() as scratch:
        facts = compare(call.ratings, Path(scratch), users=call.users, seed=call.seed, settings=settings)
    print(json.dumps({"preset": call.preset, "seed": call.seed, **facts}, indent=2))


def compare(
    ratings: list[Path], scratch: Path, *, users: int, seed: int, settings: Settings
) -> dict[str, Any]:
    """RMSE of both models on the held-out rows of the users that one model was not trained on."""
    store = Store.open(scratch / "store")
    everything = store.ensure(ingest.plan(store, ratings=ratings, titles=None, settings=settings.ingest))
    rows = pl.concat(ingest.iter_ratings(store, everything)).select("user_id", "movie_id", "rating")
    draw = np.random.default_rng(seed)
    test = pl.Series(draw.random(len(rows)) < 0.1)
    guests = draw.choice(rows["user_id"].unique().sort().to_numpy(), users, replace=False)
    theirs = rows["user_id"].is_in(guests.tolist())
    whole = make_release(scratch / "with", rows.filter(~test), rows.filter(test), settings)
    known = rows.filter(~test & ~theirs)
    apart = make_release(scratch / "without", known, rows.filter(test & ~theirs), settings)
    given = rows.filter(~test & theirs).sample(fraction=1, shuffle=True, seed=seed)
    asked = rows.filter(test & theirs)
    trained = _rmse(whole.predict(asked["user_id"], asked["movie_id"]), asked)
    folded = _rmse(fold_in(apart, given, asked), asked)
    few = {
        first: {
            "fold_in": _rmse(fold_in(apart, _first(given, first), asked), asked),
            "bias_only": _rmse(bias_only(known, _first(given, first), asked), asked),
        }
        for first in _FEW
    }
    return {
        "users": users,
        "rows": len(asked),
        "trained_with_them": trained,
        "fold_in": folded,
        "worse_by_percent": round(100 * (folded / trained - 1), 2),
        "bias_only": _rmse(bias_only(known, given, asked), asked),
        "from_few_ratings": few,
    }


def make_release(
    scratch: Path, train_rows: pl.DataFrame, test_rows: pl.DataFrame, settings: Settings
) -> matinee.Release:
    """Make a release with the steps of the flow."""
    scratch.mkdir()
    train_rows.write_csv(scratch / "train.csv")
    test_rows.write_csv(scratch / "test.csv")
    run = matinee.retrain(
        scratch / "train.csv", None, scratch / "store", test=[scratch / "test.csv"], settings=settings
    )
    assert run.release is not None, run.publication.reason
    return matinee.load(run.release)


def fold_in(release: matinee.Release, given: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """Predictions for some rows, by users who are folded in with the given rows."""
    ratings = {user: frame for (user,), frame in given.group_by("user_id")}
    predicted = np.empty(len(asked), np.float32)
    for (user,), rows in asked.with_row_index("row").group_by("user_id"):
        known = ratings.get(user, given.clear())
        guest = release.fold_in(dict(known.select("movie_id", "rating").iter_rows()))
        predicted[rows["row"].to_numpy()] = guest.predict(rows["movie_id"].to_numpy())
    return predicted


def bias_only(known: pl.DataFrame, given: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """The mean, plus the movie's bias from known rows, plus the user's bias from given rows."""
    users, movies = (IdMap.fit([known[name].to_numpy()]) for name in ("user_id", "movie_id"))
    codes = users.encode(known["user_id"].to_numpy()), movies.encode(known["movie_id"].to_numpy())
    fitted = fit_baseline(*codes, known["rating"].to_numpy(), users=len(users), movies=len(movies))

    def base(frame: pl.DataFrame) -> np.ndarray:
        code = movies.encode(frame["movie_id"].to_numpy())
        return fitted.predict(np.full(len(code), -1, np.int32), code)

    residuals = given.with_columns(left=given["rating"] - pl.Series(base(given)))
    biases = residuals.group_by("user_id").agg(bias=pl.col("left").sum() / (pl.len() + SHRINK))
    found = asked.join(biases, on="user_id", how="left", maintain_order="left")["bias"].fill_null(0.0)
    ratings = known["rating"].to_numpy()
    predicted: np.ndarray = np.clip(base(asked) + found.to_numpy(), ratings.min(), ratings.max())
    return predicted


def _first(given: pl.DataFrame, rows: int) -> pl.DataFrame:
    return given.group_by("user_id", maintain_order=True).head(rows) if rows else given.clear()


def _rmse(predicted: np.ndarray, rows: pl.DataFrame) -> float:
    return round(float(np.sqrt(np.mean((predicted - rows["rating"].to_numpy()) ** 2))), 4)


if __name__ == "__main__":
    main()
