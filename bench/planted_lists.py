"""The best lists that a generated sample allows: movies by the true chance that a user rates and likes them.

`matinee.sample` draws the movies of a user in proportion to popularity times a sigmoid of the user's taste, and each
rating around user bias, movie bias and taste. Both are known, so no model can make better lists on average.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import ndtr

from matinee.sample import Truth
from matinee.sample.planted import plant

_BLOCK = 4096  # users at a time


def split_sample(sample: Path, out: Path) -> tuple[Path, Path]:
    """A random tenth of the ratings of a sample as test.csv, and the others as train.csv."""
    rows = pl.read_csv(sample / "ratings.csv")
    test = np.random.default_rng(0).random(rows.height) < 0.1
    paths = out / "train.csv", out / "test.csv"
    for path, chosen in zip(paths, (~test, test), strict=True):
        rows.filter(pl.Series(chosen)).write_csv(path)
    return paths


def best_lists(sample: Path, train: pl.DataFrame, *, liked_from: float, top: int) -> dict[int, list[int]]:
    """The first `top` movie ids of each user in the train rows, without the movies that the user rated there."""
    truth = Truth.model_validate(json.loads((sample / "truth.json").read_bytes()))
    planted = plant(ratings=truth.ratings, users=truth.users, movies=truth.movies, seed=truth.seed)
    number = dict(zip(planted.user_ids.tolist(), range(truth.users), strict=True))
    rated = {number[int(str(user))]: rows["movie"].to_numpy() - 1 for (user,), rows in train.group_by("user")}
    users, lists = np.array(sorted(rated)), {}
    weight = np.log(planted.movies.weight)
    for start in range(0, len(users), _BLOCK):
        here = users[start : start + _BLOCK]
        fit = planted.users.taste[here] @ planted.movies.taste.T
        mean = planted.users.score[here][:, None] + planted.movies.bias + fit
        liked = np.log(ndtr((mean - (liked_from - 0.5)) / planted.law.noise) + 1e-12)
        chosen = -np.logaddexp(0, -planted.law.pull * fit)  # log of the sigmoid
        chance = weight + chosen + liked
        for place, user in enumerate(here.tolist()):
            chance[place, rated[user]] = -np.inf
            best = np.argsort(-chance[place])[:top]
            lists[int(planted.user_ids[user])] = (best + 1).tolist()
    return lists
