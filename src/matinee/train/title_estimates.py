"""The level and the vector of a movie that nobody has rated, estimated from its title and its year.

A ridge regression on what a fit found for the rated movies. The features are a movie's decade and half decade, the
words of its title, and its franchise. Rated movies decide whether this is worth something: each fifth of them is
estimated from the others. docs/notes.md has what the constants were chosen by.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from matinee.formats.manifests import TitleEstimateFigures
from matinee.release.arrays import Counts, Doubles
from matinee.release.narrowing import franchise
from matinee.train.engine import Arrays

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PENALTY = 5.0
HALF_TRUSTED = 10.0  # rows of a movie that counts half as much as one of very many rows
STANDARD_ERRORS = 2.0  # by which movies left out must gain
LEAST_MOVIES = 50  # rated ones with a feature, of which a standard error is made
_FRANCHISE = 3.0  # a franchise says more than a word, so it is shrunk less
_FOLDS = 5
_MOST_STEPS = 200
_PRECISION = 1e-10  # of the squared residual
_WORD = re.compile(r"\w+")
_LEVELS = ("movie_bias", "baseline.movie_bias")


@dataclass(frozen=True)
class Described:
    """Movies by their features, those without rows included."""

    features: "csr_matrix"  # [movies, features]
    rows: Counts  # of each movie in the fit

    @property
    def weights(self) -> Doubles:
        """What each movie counts in a regression: 0 without rows, almost 1 with very many."""
        return self.rows / (self.rows + HALF_TRUSTED)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """The movies that share a feature with a rated movie."""
        found: npt.NDArray[np.bool_] = self.features.getnnz(axis=1) > 0
        return found


def estimate_unrated(
    weights: Arrays, split: Path, rows: Counts, *, always: bool = False
) -> tuple[Arrays, TitleEstimateFigures | None]:
    """Give the movies that had no rows in a fit a level and a vector, if rated movies say that this helps.

    Args:
        weights: The tables of the fit.
        split: The folder of the split, with the titles.
        rows: The rows of each movie in the fit.
        always: Do not ask the rated movies.

    Returns:
        The weights, whose other bits stay, and the figures; without figures if no movie can be estimated.
    """
    if rows.all():
        return weights, None
    described = describe(split, rows)
    unrated = described.known & (rows == 0)
    names = [name for name in (*_LEVELS, "movie_factors") if name in weights]
    if not unrated.any():
        return weights, None
    figures = judge(weights[names[0]].astype(np.float64), described)
    figures = figures.model_copy(update={"movies": int(unrated.sum()), "applied": always or figures.applied})
    if not figures.applied:
        return weights, figures
    width = [1 if weights[name].ndim == 1 else weights[name].shape[1] for name in names]
    found = _estimate(np.column_stack([weights[name] for name in names]), described, unrated)
    filled = dict(weights)
    for name, columns in zip(names, np.split(found, np.cumsum(width)[:-1], axis=1), strict=True):
        filled[name] = weights[name].copy()
        filled[name][unrated] = columns.reshape(filled[name][unrated].shape)
    return filled, figures


def describe(split: Path, rows: Counts) -> Described:
    """The movies of a split by their features. A feature that only one rated movie has says nothing of others."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - a quarter of a second, for data with unrated movies alone

    table = pl.read_parquet(split / "movies.parquet", columns=["title", "year"])
    features = [dict(_features(title, year)) for title, year in table.iter_rows()]
    rated = Counter(name for movie in np.flatnonzero(rows) for name in features[movie])
    places = {name: place for place, name in enumerate(name for name, count in rated.items() if count > 1)}
    entries = [
        (movie, places[name], value)
        for movie, named in enumerate(features)
        for name, value in named.items()
        if name in places
    ]
    movies, columns, values = (
        (np.array(each) for each in zip(*entries, strict=True)) if entries else ([],) * 3
    )
    shape = (len(features), len(places))
    return Described(csr_matrix((values, (movies, columns)), shape=shape, dtype=np.float64), rows)


def _features(title: str | None, year: int | None) -> Iterator[tuple[str, float]]:
    """The features of a movie: names, and values.

    >>> [name for name, _ in _features("Rocky IV", 1985)]
    ['half decade 1985', 'decade 1980', 'word rocky', 'word iv', 'franchise rocky']
    """
    if year:
        yield f"half decade {year // 5 * 5}", 1.0
        yield f"decade {year // 10 * 10}", 1.0
    if title:
        yield from ((f"word {word}", 1.0) for word in dict.fromkeys(_WORD.findall(title.casefold())))
        yield f"franchise {franchise(title)}", _FRANCHISE


def judge(levels: Doubles, described: Described) -> TitleEstimateFigures:
    """Whether estimates of rated movies that were left out are closer to their levels than the mean level is."""
    rated = np.flatnonzero(described.known & (described.rows > 0))
    if len(rated) < LEAST_MOVIES:
        return TitleEstimateFigures(applied=False)
    fold = np.random.default_rng(0).permutation(len(rated)) % _FOLDS
    errors = np.empty((2, len(rated)))
    for number in range(_FOLDS):
        left_out = rated[fold == number]
        rows = described.rows.copy()
        rows[left_out] = 0
        others = Described(described.features, rows)
        estimated = _estimate(levels[:, None], others, left_out)[:, 0]
        mean = np.average(levels, weights=others.weights)
        errors[:, fold == number] = np.square([levels[left_out] - mean, levels[left_out] - estimated])
    before, after = errors * described.weights[rated]
    gains = before - after
    error = float(np.sqrt(np.square(gains - gains.mean()).sum()))
    return TitleEstimateFigures(
        applied=bool(gains.sum() > STANDARD_ERRORS * error),
        explained=round(float(gains.sum() / max(before.sum(), np.finfo(np.float64).tiny)), 4),
        standard_errors=round(float(gains.sum()) / error, 4) if error else 0.0,
    )


def _estimate(tables: npt.NDArray[Any], described: Described, asked: npt.NDArray[Any]) -> Doubles:
    """Estimates of the tables [movies, columns] for the movies `asked` for: by ridge regression around their mean."""
    features, weights = described.features, described.weights[:, None]
    mean = np.average(tables.astype(np.float64), axis=0, weights=weights[:, 0])
    slopes = _solve(features, weights, features.T @ (weights * (tables - mean)))
    estimates: Doubles = mean + features[asked] @ slopes
    return estimates


def _solve(features: "csr_matrix", weights: Doubles, right: Doubles) -> Doubles:
    """Solve (F' W F + penalty) X = `right` by conjugate gradients, all columns at once."""
    found, residual = np.zeros_like(right), right.copy()
    direction, square = right.copy(), np.square(right).sum(axis=0)
    enough = _PRECISION * square
    for _ in range(_MOST_STEPS):
        if (square <= enough).all():
            break
        product = features.T @ (weights * (features @ direction)) + PENALTY * direction
        step = square / _nonzero((direction * product).sum(axis=0))
        found += step * direction
        residual -= step * product
        last, square = square, np.square(residual).sum(axis=0)
        direction = residual + square / _nonzero(last) * direction
    return found


def _nonzero(values: Doubles) -> Doubles:
    """The values, with the least positive number in place of 0, which a solved column divides by."""
    return np.maximum(values, np.finfo(np.float64).tiny)
