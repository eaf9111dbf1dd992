"""Drift: how far the data of a candidate is from the champion's, relative to the drift between the last datasets.

It is computed from row counts by rating, by user and by movie, which each release has of its own data.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.release.idmap import IdMap
from matinee.settings import GateSettings

NamedFigures = dict[str, float]

REMEMBERED = 10  # datasets: about two working weeks of nightly runs
_ENOUGH = 5  # past datasets that make a spread
_SPREADS = 4  # above the median; by chance a figure exceeds it once in thousands of runs
_NORMAL = 1.4826  # median absolute deviation to standard deviation, of a normal distribution
_BINS = 10
_APPENDED = (
    0.01  # share of the earlier rows that may be missing from data that only grew: some are rated again
)
_ENOUGH_NEW = 1_000  # new rows, whose PSI is within .01 by chance

# What the gate says of each figure, with its limit.
SENTENCES = {
    "psi": "PSI of the ratings {:.3f} (limit {:.3f})",
    "psi_new": "PSI of the new ratings {:.3f} (limit {:.3f})",
    "new_users": "{:.1%} of the rows are of users absent from the champion's data (limit {:.1%})",
    "new_movies": "{:.1%} are of movies absent from it (limit {:.1%})",
    "lost": "{:.1%} of the champion's rows are missing (limit {:.1%})",
    "growth": "{:.1%} more rows (limit {:.1%})",
}


@dataclass(frozen=True, eq=False)
class RowCounts:
    """Row counts by id: ids ascending, each with at least one row."""

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, ids: NDArray[np.int64], rows: NDArray[np.int64]) -> "RowCounts":
        """Only the ids that have rows."""
        rated = rows > 0
        return cls(ids[rated], rows[rated])


@dataclass(frozen=True, eq=False)
class DataSummary:
    """Row counts of a whole dataset by rating, by user and by movie: what drift is measured on.

    `past` holds the drift figures of the last datasets up to this one, oldest first.
    """

    ratings: Mapping[float, int]
    users: RowCounts
    movies: RowCounts
    past: tuple[NamedFigures, ...] = ()


@dataclass(frozen=True)
class Drift:
    """The figures of this dataset, and of the last released datasets, oldest first."""

    figures: NamedFigures
    past: tuple[NamedFigures, ...]

    def limits(self, settings: GateSettings) -> NamedFigures:
        """The limit of each figure: what the last datasets make plausible, but at least half of its setting.

        The limit is the median of the past figures plus four scaled median absolute deviations, so that one outlier
        does not widen it. With fewer than five past datasets the setting itself is the limit.
        """
        bounds = {
            "psi": settings.drift_psi,
            "psi_new": settings.drift_psi_new,
            "new_users": settings.drift_new_ids,
            "new_movies": settings.drift_new_ids,
            "lost": settings.drift_lost,
            "growth": settings.drift_growth,
        }
        past = {name: [each[name] for each in self.past if name in each] for name in bounds}
        return {
            name: bound if len(past[name]) < _ENOUGH else max(bound / 2, _plausible(past[name]))
            for name, bound in bounds.items()
        }

    @property
    def remembered(self) -> list[NamedFigures]:
        """The figures to keep for the next dataset."""
        return [*self.past, self.figures][-REMEMBERED:]


def compare(now: DataSummary, before: DataSummary) -> NamedFigures:
    """Measure how far a dataset is from an earlier one; every figure is 0 if nothing changed.

    - `psi`: population stability index of the ratings.
    - `psi_new`: the same for the added ratings against the earlier ones. In a large dataset, a bad night shows here
      alone.
      0 for few rows, and if rows were removed too.
    - `new_users`, `new_movies`: share of rows whose id is not in the earlier dataset.
    - `lost`: share of the earlier rows that are missing, by user or by movie, whichever is larger. Reassigned ids show
      here.
    - `growth`: added rows, as a share of the earlier rows.
    """
    rows = {data_summary: int(data_summary.users.rows.sum()) for data_summary in (now, before)}
    lost = max(_lost(now.users, before.users), _lost(now.movies, before.movies))
    return {
        "psi": _psi(now.ratings, before.ratings),
        "psi_new": _psi_new(now.ratings, before.ratings) if lost <= _APPENDED else 0.0,
        "new_users": _new(now.users, before.users),
        "new_movies": _new(now.movies, before.movies),
        "lost": lost,
        "growth": max(rows[now] / max(rows[before], 1) - 1, 0.0),
    }


def add_up(counts_per_rating: Mapping[str, Mapping[str, int]]) -> dict[float, int]:
    """Row counts by rating over all subsets of a split, from its manifest."""
    total: Counter[float] = Counter()
    for counts in counts_per_rating.values():
        total.update({float(rating): rows for rating, rows in counts.items()})
    return dict(total)


def _plausible(past: Sequence[float]) -> float:
    values = np.array(past)
    middle = float(np.median(values))
    return middle + _SPREADS * _NORMAL * float(np.median(np.abs(values - middle)))


def _new(now: RowCounts, before: RowCounts) -> float:
    unknown = IdMap(before.ids).encode(now.ids) < 0
    return float(now.rows[unknown].sum() / max(now.rows.sum(), 1))


def _lost(now: RowCounts, before: RowCounts) -> float:
    """1 - sum of min(rows before, rows now) / sum of rows before."""
    places = IdMap(now.ids).encode(before.ids)
    there = np.where(places >= 0, now.rows[places], 0)
    return float(1 - np.minimum(there, before.rows).sum() / max(before.rows.sum(), 1))


def _psi_new(now: Mapping[float, int], before: Mapping[float, int]) -> float:
    new = {rating: max(rows - before.get(rating, 0), 0) for rating, rows in now.items()}
    return _psi(new, before) if sum(new.values()) >= _ENOUGH_NEW else 0.0


def _psi(now: Mapping[float, int], before: Mapping[float, int]) -> float:
    """Sum of (p - q) log(p / q) over ten bins of the range of both, half a row added to each bin in use."""
    values = [*now, *before]
    low, width = min(values), max(max(values) - min(values), 1e-9)
    counts = np.zeros((2, _BINS))
    for place, ratings in enumerate((now, before)):
        for rating, rows in ratings.items():
            counts[place, min(int((rating - low) / width * _BINS), _BINS - 1)] += rows
    used = counts[:, counts.any(axis=0)] + 0.5
    p, q = used / used.sum(axis=1, keepdims=True)
    return float(np.sum((p - q) * np.log(p / q)))
