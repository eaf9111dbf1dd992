"""Warnings about ratings and dates of a dataset that are probably something else: codes, counts, other numbers."""

from collections.abc import Iterator, Sequence
from typing import Final

from matinee.formats.dataset import Profile
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.rating_counts import RatingCounts, from_json
from matinee.ingest.rating_scale import SCALES, bounds_of, values_outside
from matinee.settings.ingest import IngestSettings

_LISTED: Final = 8
_WIDE: Final = 5  # scales that end above it
_UNUSED: Final = 0.7  # of the highest rating of a scale, if no rating is above
_FEWEST: Final = 100  # ratings from which on it is not chance that the highest ones are missing
_FIRST_DATE: Final = "1995-01-01"  # the first ratings of films on the web are of 1995
_EPOCH_YEARS: Final = ("1969", "1970")  # the years of 0, -1 and small numbers
_GAP_YEARS: Final = 4  # without a rating after them


def about_ratings(
    partitions: Sequence[Partition], profile: Profile, *, scale: str, settings: IngestSettings
) -> Iterator[str]:
    """Sentences about a scale that was inferred, ratings outside it, and ratings that are all equal or mostly 0."""
    read = from_json(partition.manifest.values_read for partition in partitions)
    values = from_json(partition.manifest.values for partition in partitions)
    if settings.scale == "auto":
        yield from _about_scale(values, scale)
    if outside := values_outside(read, scale):
        counts = [f"{value:g} ({rows:,} rows)" for value, rows in outside.items()]
        more = f" and {len(counts) - _LISTED:,} more" if len(counts) > _LISTED else ""
        yield (
            f"Ratings that are not on the scale {scale} and occur more than once were rejected: "
            f"{', '.join(counts[:_LISTED])}{more}. If they are ratings, set ingest.scale=LOW-HIGH."
        )
    if len(values) == 1 and profile.ratings > 1:
        yield (
            f"All ratings are {next(iter(values)):g}: there is nothing to learn from them. The rows may be plays or "
            "purchases, or the column may be another one (ingest.columns)."
        )
    elif 2 * values[0] > values.total() or _zeros_stand_out(values):
        yield (
            f"{values[0]:,} of {values.total():,} ratings are 0, which often means seen and not rated. "
            "If so, remove these rows, or set ingest.scale and ingest.max_reject_fraction=1 to reject them."
        )


def _about_scale(values: RatingCounts, scale: str) -> Iterator[str]:
    top, highest = bounds_of(scale)[1], max(values, default=0)
    if scale not in SCALES:
        yield f"The rating scale {scale} was inferred from the values. If it is wrong, set ingest.scale=LOW-HIGH."
    elif scale == "1-100":
        yield (
            f"The rating scale 1-100 was inferred from the values; the highest is {highest:g}. If they are numbers of "
            "plays or ids, name the column of the ratings with ingest.columns, or set ingest.feedback=implicit. If the "
            "scale is another, set ingest.scale=LOW-HIGH."
        )
    elif top > _WIDE and highest <= _UNUSED * top and values.total() >= _FEWEST:
        yield (
            f"No rating is above {highest:g}, and the rating scale {scale} was inferred. If it is wrong, or if "
            f"{highest:g} is a code such as not rated, set ingest.scale=LOW-HIGH."
        )


def _zeros_stand_out(values: RatingCounts) -> bool:
    """Whether 0 is more frequent than the next lowest rating, which is unusual for ratings of 0."""
    following = min((value for value in values if value > 0), default=0.0)
    lowest = min(values, default=0.0)
    return lowest == 0 and following >= 1 and values[0] > values[following] and values.total() >= _FEWEST


def about_dates(profile: Profile) -> Iterator[str]:
    """A sentence if all dates are in 1970, or if some are, far from the others."""
    first, last = profile.dates.first, profile.dates.last
    if first and last and first >= "1969-12-31" and last < "1971-01-01":
        yield (
            f"All dates are in 1970 ({first} to {last}): the column may hold other numbers than times. Set "
            "ingest.columns=date=NAME for the right column, or ingest.columns=date= to leave dates out."
        )
        return
    if last and last < _FIRST_DATE:
        yield (
            f"All dates are before {_FIRST_DATE[:4]} ({first} to {last}): they may be numbers that count from another "
            "day than 1970-01-01, or in another unit. If so, convert them, or set ingest.columns=date= to leave dates "
            "out."
        )
        return
    years = profile.ratings_per_year
    early = sum(years.get(year, 0) for year in _EPOCH_YEARS)
    near = [year for year in years if 1969 - _GAP_YEARS <= int(year) <= 1970 + _GAP_YEARS]
    if early and set(near) <= {*_EPOCH_YEARS}:
        yield (
            f"{early:,} dates are in 1969 or 1970, far from the others: 0 and -1 often stand for an unknown date, and "
            "so are times in seconds where the others are in milliseconds. If so, empty these dates in the file, or "
            "set ingest.columns=date= to leave dates out."
        )
