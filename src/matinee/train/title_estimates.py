"""The level and the vector of a movie that nobody has rated, estimated from its title and its year.

A ridge regression on what a fit found for the rated movies. The features are a movie's decade and half decade, the
words of its title, and its franchise. Rated movies decide whether this is worth something: each fifth of them is
estimated from the others. docs/notes.md has what the constants were chosen by.
"""

import logging
import re
from array import array
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
_COLUMNS = 16  # of the tables at a time, so that memory does not grow with the vectors
_PRECISION = 1e-10  # of the squared residual, preconditioned, at the end, by that at the start
_WORD = re.compile(r"\w+")
_LEVELS = ("movie_bias", "baseline.movie_bias")

log = logging.getLogger("matinee.run")


@dataclass(frozen=True)
class DescribedMovies:
    """Movies by their features, those without rows included."""

    features: "csr_matrix"  # [movies, features]
    rows: Counts  # of each movie in the fit

    @property
    def weights(self) -> Doubles:
        """What each movie counts in a regression: 0 without rows, almost 1 with very many."""
        return self.rows / (self.rows + HALF_TRUSTED)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """The movies that have a feature of at least two rated movies."""
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
    filled = dict(weights)
    for name in names:
        table = filled[name] = weights[name].copy()
        found = _estimate(table.reshape(len(table), -1), described, unrated)
        table[unrated] = found.reshape(-1, *table.shape[1:])
    return filled, figures


def describe(split: Path, rows: Counts) -> DescribedMovies:
    """The movies of a split by features that two rated movies or more have: with rarer ones, estimates are worse."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - a quarter of a second, for data with unrated movies alone

    table = pl.read_parquet(split / "movies.parquet", columns=["title", "year"])
    places: dict[str, int] = {}
    columns, values, starts = array("q"), array("d"), array("q", [0])
    for title, year in table.iter_rows():
        for name, value in _features(title, year):
            columns.append(places.setdefault(name, len(places)))
            values.append(value)
        starts.append(len(columns))
    shape = (table.height, len(places))
    found = csr_matrix((np.array(values), np.array(columns), np.array(starts)), shape=shape)
    rated = found[rows > 0].getnnz(axis=0)
    return DescribedMovies(found[:, rated > 1], rows)


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


def judge(levels: Doubles, described: DescribedMovies) -> TitleEstimateFigures:
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
        others = DescribedMovies(described.features, rows)
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


def _estimate(tables: npt.NDArray[Any], described: DescribedMovies, asked: npt.NDArray[Any]) -> Doubles:
    """Estimates of the tables [movies, columns] for the movies `asked` for: by ridge regression around their mean."""
    rated = described.rows > 0
    features, weights = described.features[rated], described.weights[rated][:, None]
    estimates = np.empty((described.features[asked].shape[0], tables.shape[1]))
    for first in range(0, tables.shape[1], _COLUMNS):
        part = slice(first, first + _COLUMNS)
        known = tables[rated, part].astype(np.float64)
        mean = np.average(known, axis=0, weights=weights[:, 0])
        slopes = solve_ridge(features, weights, known - mean)
        estimates[:, part] = mean + described.features[asked] @ slopes
    return estimates


def solve_ridge(features: "csr_matrix", weights: Doubles, tables: Doubles) -> Doubles:
    """Solve (F' W F + penalty) X = F' W T by conjugate gradients, all columns at once.

    The diagonal is the preconditioner: without it, 100,000 movies take eight times as long.

    Args:
        features: F [movies, features].
        weights: The diagonal of W [movies, 1].
        tables: T [movies, columns].

    Returns:
        X [features, columns]. After `_MOST_STEPS` steps, it is returned as it is, with a warning.
    """
    scale = 1 / (features.multiply(features).T @ weights + PENALTY)
    residual = features.T @ (weights * tables)
    found: Doubles = np.zeros_like(residual)
    direction = scale * residual
    square = (residual * direction).sum(axis=0)
    enough = _PRECISION * square
    for _ in range(_MOST_STEPS):
        if (square <= enough).all():
            break
        product = features.T @ (weights * (features @ direction)) + PENALTY * direction
        step = square / _nonzero((direction * product).sum(axis=0))
        found += step * direction
        residual -= step * product
        last, square = square, (residual * scale * residual).sum(axis=0)
        direction = scale * residual + square / _nonzero(last) * direction
    if (square > enough).any():
        left = float(np.sqrt((square / _nonzero(enough / _PRECISION)).max()))
        log.warning(
            "Estimates from titles are less exact than usual: after %d steps, a residual is %.1g of what it was.",
            _MOST_STEPS,
            left,
        )
    return found


def _nonzero(values: Doubles) -> Doubles:
    """The values, with the least positive number in place of 0, which a solved column divides by."""
    return np.maximum(values, np.finfo(np.float64).tiny)
