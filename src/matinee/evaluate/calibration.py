"""Calibration: whether rows predicted at 4.2 are rated 4.2 on average."""

import numpy as np

from matinee.evaluate.metrics import DatedRatings, clustered_error
from matinee.formats.metrics import Calibration, CalibrationBin
from matinee.release.arrays import Doubles

_BINS = 20


def calibrate(test: DatedRatings, errors: Doubles, scale: tuple[float, float]) -> Calibration:
    """Mean rating by prediction, in bins of equal width over the scale, and the line through all rows.

    rating = intercept + slope * prediction by least squares; slope 1 and intercept 0 are perfect, a slope
    below 1 means that predictions are too far from the mean. The slope is null if all predictions are equal.
    """
    predicted = test.ratings + errors
    low, high = scale
    edges = np.linspace(low, high, _BINS + 1)
    place = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, _BINS - 1).astype(np.int8)
    bins = []
    for index in range(_BINS):
        rows = np.flatnonzero(place == index)
        if not len(rows):
            continue
        ratings = test.ratings[rows].astype(np.float64)
        bins.append(
            CalibrationBin(
                low=float(edges[index]),
                high=float(edges[index + 1]),
                rows=len(rows),
                mean_prediction=float(predicted[rows].mean()),
                mean_rating=float(ratings.mean()),
                standard_error=clustered_error(ratings, test.users[rows], test.movies[rows]),
            )
        )
    slope, intercept = _line(predicted, test.ratings.astype(np.float64))
    return Calibration(bins=bins, slope=slope, intercept=intercept)


def _line(predicted: Doubles, ratings: Doubles) -> tuple[float, float] | tuple[None, None]:
    centred = predicted - predicted.mean()
    spread = float(np.square(centred).sum())
    if spread == 0:
        return None, None
    slope = float((centred * (ratings - ratings.mean())).sum()) / spread
    return slope, float(ratings.mean() - slope * predicted.mean())
