"""Drift: how far the data of a candidate is from the champion's, beside how far apart the last datasets were.

Rows by rating, by user and by movie are all it takes, and a release has those of its own data.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.release.idmap import IdMap
from matinee.settings import GateSettings

Figures = dict[str, float]

REMEMBERED = 10  # datasets: about two working weeks of nights
_ENOUGH = 5  # past datasets that make a spread
_SPREADS = 4  # above the median: chance alone passes it once in thousands of nights
_NORMAL = 1.4826  # median absolute deviation to standard deviation, of a normal distribution
_BINS = 10
_APPENDED = 0.01  # of the earlier rows may be gone from data that just grew: some were rated again
_ENOUGH_NEW = 1_000  # new rows, whose PSI is within .01 by chance


@dataclass(frozen=True, eq=False)
class Tally:
    """Rows by id: ids ascending, each with a row."""

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, ids: NDArray[np.int64], rows: NDArray[np.int64]) -> "Tally":
        """The ids that have rows."""
        rated = rows > 0
        return cls(ids[rated], rows[rated])


@dataclass(frozen=True, eq=False)
class Portrait:
    """What drift is measured on: the rows of a whole dataset by rating, by user and by movie.

    `past` tells how far the datasets up to this one were from those before them, oldest first.
    """

    ratings: Mapping[float, int]
    users: Tally
    movies: Tally
    past: tuple[Figures, ...] = ()


@dataclass(frozen=True)
class Drift:
    """Tonight's figures, and those of the last datasets that were released, oldest first."""

    figures: Figures
    past: tuple[Figures, ...]

    def limits(self, settings: GateSettings) -> Figures:
        """The most that each figure may be: what the last datasets make plausible, at least half its bound.

        The median of the past figures plus four spreads, the spread being the scaled median absolute deviation:
        one night that a person let through widens nothing. Below five past datasets the bound itself holds.
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
    def remembered(self) -> list[Figures]:
        """What the next dataset is measured beside."""
        return [*self.past, self.figures][-REMEMBERED:]


def compare(now: Portrait, before: Portrait) -> Figures:
    """How far a dataset is from an earlier one; every figure is 0 where nothing changed.

    `psi`: population stability index of the ratings. `psi_new`: the same of those that came in addition, against the
    earlier ones: in much data a night that is all wrong moves nothing else; 0 for few rows, and where the data did not
    just grow. `new_users`, `new_movies`: share of rows whose id the earlier
    one did not have. `lost`: share of the earlier rows that are gone, by user or by movie, whichever is more; ids
    that were dealt anew lose most. `growth`: rows in addition, as a share of the earlier ones.
    """
    rows = {portrait: int(portrait.users.rows.sum()) for portrait in (now, before)}
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
    """Rows by rating over all parts of a split, from what its manifest says of each."""
    total: Counter[float] = Counter()
    for counts in counts_per_rating.values():
        total.update({float(rating): rows for rating, rows in counts.items()})
    return dict(total)


def _plausible(past: Sequence[float]) -> float:
    values = np.array(past)
    middle = float(np.median(values))
    return middle + _SPREADS * _NORMAL * float(np.median(np.abs(values - middle)))


def _new(now: Tally, before: Tally) -> float:
    unknown = IdMap(before.ids).encode(now.ids) < 0
    return float(now.rows[unknown].sum() / max(now.rows.sum(), 1))


def _lost(now: Tally, before: Tally) -> float:
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
    for side, ratings in enumerate((now, before)):
        for rating, rows in ratings.items():
            counts[side, min(int((rating - low) / width * _BINS), _BINS - 1)] += rows
    used = counts[:, counts.any(axis=0)] + 0.5
    p, q = used / used.sum(axis=1, keepdims=True)
    return float(np.sum((p - q) * np.log(p / q)))
