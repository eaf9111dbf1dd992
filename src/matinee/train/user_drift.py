"""How far users have drifted: what their latest ratings depart from the model by, added to their biases.

A release then answers for now in its ordinary dot product. The drift is a user's mean residual, in which a rating loses
half of its weight in `HALF_LIFE_DAYS` before the user's last one (the bias that changes in time of Koren 2009, at the
end of the data). It takes two passes over the rows. docs/notes.md has what the constants were chosen by.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from matinee.formats.manifests import UserDriftFigures
from matinee.release.arrays import Doubles, Floats
from matinee.settings import Resolved
from matinee.settings.training import DotModel
from matinee.store.ratings import EncodedRatings, read_dated_batches
from matinee.train.blocks import KernelPool
from matinee.train.engine import Arrays, rmse_within
from matinee.train.kernels import predict

HALF_LIFE_DAYS = 200.0
SHRINK = 5.0  # pseudo-rows without a residual
STANDARD_ERRORS = 2.0  # by which the valid rows must gain
LEAST_USERS = 10  # of whose rows a standard error is made
_CHUNK = 1 << 16
_LATER_VALID = ("temporal", "last_n")  # strategies whose valid rows are later than train rows


def looks_for_drift(settings: Resolved, strategy: str) -> bool:
    """Whether the valid rows decide about the drift: rows drawn at random can't say what comes next."""
    biased = isinstance(settings.model, DotModel) and settings.model.biases
    return biased and settings.train.time == "auto" and strategy in _LATER_VALID


class Predictor:
    """Predicts rows by the weights of a dot model, on all threads."""

    def __init__(self, weights: Arrays, *, threads: int) -> None:
        self._pool, self._mean = KernelPool(threads), np.float32(weights["mean"][0])
        names = ("user_factors", "movie_factors", "user_bias", "movie_bias")
        self._tables: list[npt.NDArray[Any]] = [np.ascontiguousarray(weights[name]) for name in names]
        self.users = len(weights["user_bias"])

    def predict(self, rows: EncodedRatings) -> Floats:
        """Ratings, not clipped to the scale."""
        predictions = np.zeros(len(rows), np.float32)
        chunks, columns = np.arange(-(-len(rows) // _CHUNK)), (rows.users, rows.movies)
        unit = np.float32(1)
        self._pool.share(predict, chunks, _CHUNK, *columns, *self._tables, self._mean, unit, predictions)
        return predictions


def fit_drift(split: Path, subsets: Sequence[str], model: Predictor) -> Doubles:
    """By user: the shrunk mean of residuals in which late ones count more; 0 for a user without dated rows."""
    last = np.full(model.users, np.iinfo(np.int32).min, np.int32)
    for rows, days in read_dated_batches(split, subsets):
        np.maximum.at(last, rows.users, days)
    sums, counts = np.zeros(model.users), np.zeros(model.users)
    for rows, days in read_dated_batches(split, subsets):
        counted = np.exp2((days - last[rows.users]) / HALF_LIFE_DAYS)
        residuals = rows.ratings - model.predict(rows)
        counts += np.bincount(rows.users, counted, minlength=model.users)
        sums += np.bincount(rows.users, counted * residuals, minlength=model.users)
    return sums / (counts + SHRINK)


def judge_drift(
    drift: Doubles, valid: EncodedRatings, model: Predictor, *, scale: tuple[float, float]
) -> UserDriftFigures:
    """Whether valid rows, later than those of the drift, gain by more than `STANDARD_ERRORS` of the gain.

    The rows of one user depend on each other, so the error is that of the users' sums.
    """
    drifting = drift[valid.users] != 0
    rows = EncodedRatings(*(column[drifting] for column in (valid.users, valid.movies, valid.ratings)))
    if np.count_nonzero(np.bincount(rows.users)) < LEAST_USERS:
        return UserDriftFigures(applied=False, rows=len(rows))
    before = model.predict(rows).astype(np.float64)
    after = before + drift[rows.users]
    squared = [np.square(np.clip(guess, *scale) - rows.ratings) for guess in (before, after)]
    gains = squared[0] - squared[1]
    error = float(np.sqrt(np.square(np.bincount(rows.users, gains - gains.mean())).sum()))
    gain = float(gains.sum()) / error if error else 0.0
    return UserDriftFigures(
        applied=gain > STANDARD_ERRORS,
        rows=len(rows),
        rmse=rmse_within(after, rows.ratings, scale),
        rmse_without=rmse_within(before, rows.ratings, scale),
        standard_errors=round(gain, 4),
    )


def add_drift(weights: Arrays, drift: Doubles) -> Arrays:
    """The weights with the drift in the users' biases; the bits of a user who does not drift stay."""
    bias = weights["user_bias"]
    return {**weights, "user_bias": np.where(drift == 0, bias, (bias + drift).astype(bias.dtype))}
