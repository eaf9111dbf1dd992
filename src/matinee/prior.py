"""What a release knows of users in general: how their vectors are spread and how noisy a rating is.

Publish estimates it from the weights and the training rows; `Release.fold_in` meets new users with it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matinee import forward

Doubles = NDArray[np.float64]

PRIOR = "prior.json"
_SAMPLE = 2_000_000  # residuals: their variance is then known to about a thousandth


@dataclass(frozen=True, eq=False)
class Prior:
    """A normal distribution of (user factors, user bias), k + 1 numbers, and the precision of a rating's noise."""

    noise_precision: float
    mean: Doubles
    covariance: Doubles

    def posterior_mean(self, vectors: Doubles, residuals: Doubles) -> Doubles:
        """The expected (factors, bias) of a user, given what is left of each rating [n] for them to explain.

        `vectors` [n, k + 1] are the movies' factors and a 1. Bayesian linear regression, Bishop (2006), eq. 3.50,
        multiplied by the covariance so that a direction without spread needs no inverse:
        mean + (I + a S Z'Z)^-1 a S Z' (residuals - Z mean).
        """
        gain = self.noise_precision * self.covariance @ vectors.T
        surprise = residuals - vectors @ self.mean
        system = np.eye(len(self.mean)) + gain @ vectors
        return self.mean + np.asarray(np.linalg.solve(system, gain @ surprise), np.float64)

    def to_json(self) -> dict[str, Any]:
        """As it stands in prior.json."""
        return {
            "noise_precision": self.noise_precision,
            "mean": self.mean.tolist(),
            "covariance": self.covariance.tolist(),
        }


def read_prior(folder: Path) -> Prior | None:
    """The prior of a release's folder; None where it has none, which only the dot model does.

    Raises OSError, ValueError or KeyError when it can't be read.
    """
    path = folder / PRIOR
    if not path.exists():
        return None
    told = json.loads(path.read_text("utf-8"))
    return Prior(told["noise_precision"], np.array(told["mean"]), np.array(told["covariance"]))


def estimate_prior(weights: Mapping[str, NDArray[Any]], split: Path) -> Prior:
    """The prior of a dot model's weights: the spread of trained users, the noise of a split's training rows.

    Reads `train.parquet` and `users.parquet` in the folder `split`, the rows in batches and at most two million.
    """
    trained = pq.read_table(split / "users.parquet", columns=["train_rows"])["train_rows"].to_numpy() > 0
    users = np.column_stack([weights["user_factors"], weights["user_bias"]])[trained].astype(np.float64)
    return Prior(
        noise_precision=1 / max(_mean_square(weights, split / "train.parquet"), 1e-6),
        mean=users.mean(axis=0),
        covariance=np.cov(users, rowvar=False, bias=True),
    )


def _mean_square(weights: Mapping[str, NDArray[Any]], rows: Path) -> float:
    """The mean squared residual of evenly spaced rows."""
    total, count = 0.0, 0
    with pq.ParquetFile(rows) as file:
        step = -(-file.metadata.num_rows // _SAMPLE)
        for batch in file.iter_batches(1 << 20, columns=["user_code", "movie_code", "rating"]):
            users, movies, ratings = (column.to_numpy()[::step] for column in batch.columns)
            residuals = (ratings - forward.predict(weights, users, movies, model="dot")).astype(np.float64)
            total += float(residuals @ residuals)
            count += len(residuals)
    return total / max(count, 1)
