"""Predictions for codes of users and movies, for steps that have no ids as callers give them."""

import numpy as np
from numpy.typing import NDArray

from matinee.release.answers import Release
from matinee.release.arrays import Codes
from matinee.release.scoring import predict


def predict_codes(release: Release, users: Codes, movies: Codes) -> NDArray[np.float32]:
    """Predict pairs of codes as `Release.predict` predicts pairs of ids.

    Args:
        release: The release.
        users: One code per pair; -1 is an unknown user.
        movies: The same for movies.

    Returns:
        The predicted ratings, within the scale.
    """
    raw = predict(release.weights, users, movies, model=release.manifest.model)
    predicted: NDArray[np.float32] = np.clip(raw, *release.scale).astype(np.float32)
    return predicted
