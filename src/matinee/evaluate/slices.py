"""Slices of the test rows by user, movie and date, which show where a model is strong or weak.

The report shows every slice; the gate holds a candidate that is significantly worse on one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.metrics import DatedRatings
from matinee.release.arrays import Codes, Counts

# What the rows are sliced by, for people.
SLICINGS = {
    "user_rows": "training rows of the user",
    "movie_rows": "training rows of the movie",
    "movie_year": "year of the movie",
    "date": "date of the rating",
}
# Fixed bounds, not quantiles, so that a slice is comparable between runs.
_USER_ROWS = (0, 1, 5, 20, 100, 500)
_MOVIE_ROWS = (0, 1, 10, 100, 1_000, 10_000)
_DECADES = (0, *range(1950, 2060, 10))
_MONTHS_UP_TO = 24  # a longer range of dates is cut into years


@dataclass(frozen=True)
class Slicing:
    """One way to slice rows: for each row, the index of its slice in `labels`."""

    name: str
    labels: tuple[str, ...]
    places: NDArray[np.int16]

    def __iter__(self) -> Iterator[tuple[str, NDArray[np.intp]]]:
        """Iterate over the slices that have rows: label and row numbers."""
        for place, label in enumerate(self.labels):
            rows = np.flatnonzero(self.places == place)
            if len(rows):
                yield label, rows

    def take(self, rows: NDArray[np.intp] | slice) -> "Slicing":
        """The same slicing of some of the rows."""
        return Slicing(self.name, self.labels, self.places[rows])


def cut(
    test: DatedRatings, *, user_rows: Counts, movie_rows: Counts, movie_years: NDArray[np.int16]
) -> tuple[Slicing, ...]:
    """Cut the test rows in several ways.

    Args:
        test: The test rows.
        user_rows: Fitted rows by user code; a code without any is unknown to the model.
        movie_rows: Fitted rows by movie code.
        movie_years: Years by movie code, 0 where unknown.

    Returns:
        The slicings. Those by year or date are left out if no row has one.
    """
    slicings = [
        _by_count("user_rows", user_rows, test.users, _USER_ROWS),
        _by_count("movie_rows", movie_rows, test.movies, _MOVIE_ROWS),
    ]
    if movie_years.any():
        slicings.append(_by_decade(movie_years[test.movies]))
    if not np.isnat(test.dates).all():
        slicings.append(_by_date(test.dates))
    return tuple(slicings)


def _by_count(name: str, rows: Counts, codes: Codes, bounds: Sequence[int]) -> Slicing:
    labels = [_range_label(low, high) for low, high in zip(bounds, [*bounds[1:], None], strict=True)]
    return Slicing(name, tuple(labels), _place(rows, bounds)[codes])


def _range_label(low: int, high: int | None) -> str:
    if high is None:
        return f"{low:,}+"
    return f"{low:,}" if high == low + 1 else f"{low:,}-{high - 1:,}"


def _by_decade(years: NDArray[np.int16]) -> Slicing:
    """Places: unknown, to 1949, then decades."""
    decades = [f"{start}s" for start in _DECADES[1:]]
    place = np.where(years == 0, 0, _place(years, _DECADES) + 1)
    return Slicing("movie_year", ("unknown", f"to {_DECADES[1] - 1}", *decades), place.astype(np.int16))


def _by_date(dates: NDArray[np.datetime64]) -> Slicing:
    """By month, or by year if the range is long; the first slice holds rows without a date."""
    months = dates.astype("datetime64[M]")
    dated = months[~np.isnat(months)]
    unit = "M" if (dated.max() - dated.min()).astype(int) < _MONTHS_UP_TO else "Y"
    periods = months.astype(f"datetime64[{unit}]")
    first, last = dated.min().astype(periods.dtype), dated.max().astype(periods.dtype)
    labels = [str(period) for period in np.arange(first, last + 1)]
    place = np.where(np.isnat(periods), 0, (periods - first).astype(np.int64) + 1)
    return Slicing("date", ("no date", *labels), place.astype(np.int16))


def _place(values: NDArray[np.signedinteger], bounds: Sequence[int]) -> NDArray[np.int16]:
    return (np.searchsorted(bounds, values, side="right") - 1).astype(np.int16)
