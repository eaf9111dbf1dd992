"""The user prior: the distribution of users' vectors, what the choice of movies says about them, and the rating noise.

Publish estimates it from the weights and the train rows. `Release.fold_in` starts from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from matinee.formats.base import Format
from matinee.release import scoring as forward
from matinee.release.arrays import Codes, Doubles
from matinee.release.checks import LARGEST, check_array

PRIOR = "prior.json"
_SAMPLE = 2_000_000  # rows, from which the noise is known to about a thousandth
# Chosen on users left out of the fit of four data sets, both presets (docs/notes.md).
_WIDER = 1.5  # trained factors are shrunk, so the variance of what they stand for is larger than theirs
_RARE = 0.5  # a movie with n rows is not known well: its ratings have this / (n + 1) more noise
_ROUNDING = 1e-6  # of a variance: what float64 leaves of a zero
_RIDGE = 0.03  # n picks count as 1 / (1 / n + this): vectors have seen the picks that they were trained on


@dataclass(frozen=True, eq=False)
class Picks:
    """What the average of the movies that a user picked says of (user factors, user bias), before any rating.

    `describe` gives f numbers per movie. `spread` [f, f] is how far the averages of users lie from `centre` [f],
    `noise` [f, f] how far the movies of a user from that; `pull` [k + 1, f] is how the averages go with the vectors.
    """

    centre: Doubles
    spread: Doubles
    noise: Doubles
    pull: Doubles

    def explain(self, picked: Doubles) -> tuple[Doubles, Doubles]:
        """The expected shift of the vector [k + 1] after some picks [n, f], and the covariance that it explains."""
        system = self.spread + self.noise * (1 / len(picked) + _RIDGE)
        gain = self.pull @ np.linalg.pinv(system, rcond=1e-10, hermitian=True)
        return gain @ (picked.mean(axis=0) - self.centre), gain @ self.pull.T

    def to_file(self) -> "PicksFile":
        """The part of prior.json that holds them."""
        return PicksFile(
            centre=self.centre.tolist(),
            spread=self.spread.tolist(),
            noise=self.noise.tolist(),
            pull=self.pull.tolist(),
        )


@dataclass(frozen=True, eq=False)
class UserPrior:
    """A normal distribution of (user factors, user bias), k + 1 numbers, and the precision of a rating's noise."""

    noise_precision: float
    mean: Doubles
    covariance: Doubles
    picks: Picks | None  # releases of earlier versions have none

    def posterior_mean(self, movies: Doubles, left: Doubles, *, rows: NDArray[np.int64]) -> Doubles:
        """The expected (factors, bias) of a user, given what is left of each rating [n] for them to explain.

        `movies` [n, k + 2] are the rated movies as `describe` gives them, `rows` [n] their training rows. Bayesian
        linear regression, Bishop (2006), eq. 3.50, multiplied by the covariance so that a direction without spread
        needs no inverse: mean + (I + S Z'A Z)^-1 S Z'A (left - Z mean).
        """
        if not len(left):
            return self.mean
        mean, covariance = self.mean, self.covariance
        known = rows > 0  # the model can't say what the others are, nor what picking them means
        if self.picks is not None and known.any():
            shift, explained = self.picks.explain(movies[known])
            mean, covariance = mean + shift, covariance - explained
        wider = np.append(np.full(len(mean) - 1, np.sqrt(_WIDER)), 1.0)
        vectors = np.column_stack([movies[:, : len(mean) - 1], np.ones(len(movies))])
        precision = self.noise_precision / (1 + _RARE / (rows + 1))
        gain = (covariance * np.outer(wider, wider)) @ vectors.T * precision
        system = np.eye(len(mean)) + gain @ vectors
        return mean + np.asarray(np.linalg.solve(system, gain @ (left - vectors @ mean)), np.float64)

    def to_file(self) -> "PriorFile":
        """The content of prior.json."""
        return PriorFile(
            noise_precision=self.noise_precision,
            mean=self.mean.tolist(),
            covariance=self.covariance.tolist(),
            picks=None if self.picks is None else self.picks.to_file(),
        )


class PicksFile(Format):
    """What the choice of movies says of a user; `f` numbers describe a movie: k factors, bias and log(1 + rows)."""

    centre: list[float] = Field(description="[f]: mean over users of the average movie that they rated.")
    spread: list[list[float]] = Field(description="[f, f]: covariance of these averages over users.")
    noise: list[list[float]] = Field(description="[f, f]: covariance of the movies of a user.")
    pull: list[list[float]] = Field(description="[k + 1, f]: covariance of users' vectors with the averages.")


class PriorFile(Format):
    """prior.json of a release with a dot model of k factors: what `fold_in` starts from."""

    noise_precision: Annotated[float, Field(ge=0, le=LARGEST)] = Field(
        description="1 / mean square of the training residuals."
    )
    mean: list[float] = Field(description="[k + 1]: mean of users' factors and biases.")
    covariance: list[list[float]] = Field(description="[k + 1, k + 1]: their covariance.")
    picks: PicksFile | None = Field(None, description="The choice of movies; absent in earlier versions.")


def parse_user_prior(file: PriorFile, *, size: int) -> UserPrior:
    """The prior of a dot model with vectors of a size, from the content of prior.json.

    Raises ValueError if it is not valid.
    """
    whole = size + 1  # the factors and the bias
    covariance = check_array("covariance", file.covariance, (whole, whole))
    if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(
        covariance
    ).min() < -_ROUNDING * np.trace(covariance):
        raise ValueError("covariance is not a covariance matrix")
    return UserPrior(
        noise_precision=file.noise_precision,
        mean=check_array("mean", file.mean, (whole,)),
        covariance=covariance,
        picks=None if file.picks is None else _parse_picks(file.picks, size=whole),
    )


def _parse_picks(file: PicksFile, *, size: int) -> Picks:
    features = size + 1
    return Picks(
        centre=check_array("centre", file.centre, (features,)),
        spread=check_array("spread", file.spread, (features, features)),
        noise=check_array("noise", file.noise, (features, features)),
        pull=check_array("pull", file.pull, (size, features)),
    )


def describe(weights: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], codes: Codes) -> Doubles:
    """Movies by code as picks [n, k + 2]: factors, bias, log(1 + training rows); zeros for one without rows."""
    features = np.column_stack(
        [weights["movie_factors"][codes], weights["movie_bias"][codes], np.log1p(rows[codes])]
    )
    features[(codes < 0) | (rows[codes] == 0)] = 0
    return features.astype(np.float64)


def estimate_user_prior(
    weights: Mapping[str, NDArray[Any]], split: Path, *, movie_rows: NDArray[np.int64]
) -> UserPrior:
    """The prior of a dot model's weights: the spread of trained users and their picks, the noise of training rows.

    Reads `train.parquet`, in batches, and `users.parquet` in the folder `split`. From two million rows on, evenly
    spaced rows and users stand for all of them. A user counts by the square root of the rows: those with many are
    known better, and most ratings to come are theirs.

    Args:
        weights: The weights.
        split: Folder of the split.
        movie_rows: How many rows of each movie the weights were fitted on, as the release's catalog has them.
    """
    user_rows = pq.read_table(split / "users.parquet", columns=["train_rows"])["train_rows"].to_numpy()
    users, movies, square = _read_rows(weights, split / "train.parquet")
    asked = np.unique(users)
    vectors = np.column_stack([weights["user_factors"][asked], weights["user_bias"][asked]]).astype(
        np.float64
    )
    weight = np.sqrt(user_rows[asked])
    weight /= max(weight.sum(), 1.0)
    mean = weight @ vectors
    apart = vectors - mean
    features = describe(weights, movie_rows, np.arange(len(movie_rows), dtype=np.int32))
    return UserPrior(
        noise_precision=1 / max(square, 1e-6),
        mean=mean,
        covariance=(apart * weight[:, None]).T @ apart,
        picks=_estimate_picks(features, np.searchsorted(asked, users), movies, weight=weight, apart=apart),
    )


def _estimate_picks(
    features: Doubles, users: NDArray[np.int64], movies: Codes, *, weight: Doubles, apart: Doubles
) -> Picks:
    """Moments of what users picked: their averages, and what is left of a movie within a user."""
    rows = np.maximum(np.bincount(users, minlength=len(weight)), 1).astype(np.float64)
    sums = [np.bincount(users, column[movies], len(weight)) for column in features.T]
    average = np.column_stack(sums) / rows[:, None]
    centre = weight @ average
    around = average - centre
    picked = np.bincount(movies, minlength=len(features)).astype(np.float64)
    within = (features * picked[:, None]).T @ features - (average * rows[:, None]).T @ average
    return Picks(
        centre=centre,
        spread=(around * weight[:, None]).T @ around,
        noise=within / max(len(movies) - len(weight), 1),
        pull=(apart * weight[:, None]).T @ around,
    )


def _read_rows(weights: Mapping[str, NDArray[Any]], rows: Path) -> tuple[Codes, Codes, float]:
    """User and movie codes of all rows of evenly spaced users, and the mean squared residual of evenly spaced rows."""
    total, count = 0.0, 0
    kept: list[list[Codes]] = []
    with pq.ParquetFile(rows) as file:
        step = max(-(-file.metadata.num_rows // _SAMPLE), 1)
        for batch in file.iter_batches(1 << 20, columns=["user_code", "movie_code", "rating"]):
            columns = [column.to_numpy() for column in batch.columns]
            users, movies, ratings = (column[::step] for column in columns)
            residuals = (ratings - forward.predict(weights, users, movies, model="dot")).astype(np.float64)
            total += float(residuals @ residuals)
            count += len(residuals)
            kept.append([column[columns[0] % step == 0] for column in columns[:2]])
    users, movies = (
        (np.concatenate(parts) for parts in zip(*kept, strict=True)) if kept else [np.empty(0, np.int32)] * 2
    )
    return users, movies, total / max(count, 1)
