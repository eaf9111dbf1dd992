"""A release as the gate sees it: functions of columns of ids, independent of the release's model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.drift import DataSummary
from matinee.evaluate.paired_lists import RankedModel
from matinee.release.arrays import Floats, Ids


@dataclass(frozen=True)
class ComparedModel:
    """The champion or the anchor: its tested weights, as functions of columns of ids."""

    version: str
    digest: str
    predict: Callable[[Ids, Ids], Floats]  # (user_ids, movie_ids) -> ratings, clipped
    was_trained_on: Callable[[Ids, Ids, Floats], NDArray[np.bool_]]  # of (user_id, movie_id, rating)
    # Whether it knows both ids of (user_ids, movie_ids); if None, figures on known ids are omitted.
    knows_ids: Callable[[Ids, Ids], NDArray[np.bool_]] | None = None
    # A summary of its data; if None, drift cannot be measured.
    data_summary: Callable[[], DataSummary | None] | None = None
    # Its ranking model, None for a release of an earlier version; if None, lists are not compared.
    lists: Callable[[], RankedModel | None] | None = None
