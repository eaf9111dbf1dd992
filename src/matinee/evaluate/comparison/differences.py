"""Figures of several models on the same rows, and 95% intervals of their differences from the first one."""

from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.comparison.common_lists import MeasuredLists
from matinee.evaluate.comparison.common_rows import SharedTestRows
from matinee.evaluate.comparison.subjects import Subject
from matinee.evaluate.metrics import (
    Estimate,
    clustered_error,
    count_clusters,
    estimate_rmse_difference,
    holm,
    mae,
    rmse,
)
from matinee.evaluate.ranking import mean_and_error
from matinee.formats.comparison import ComparedFigure, ComparedSlice, Difference, DifferenceVerdict
from matinee.release.arrays import Doubles

FEWEST = 10  # users or movies: with fewer, a clustered standard error is too small for an interval
_LEAST_KNOWN = 0.5  # share of rows: with less, a model may be one of other data
_LEVEL = 0.05  # of an interval, and of all slices together
Better = Literal["lower", "higher"]


def error_figures(rows: SharedTestRows, errors: Sequence[Doubles]) -> list[ComparedFigure]:
    """RMSE and MAE of all models, paired by row and clustered by user and by movie.

    Args:
        rows: The rows.
        errors: Prediction - rating of each model on them, not empty.
    """
    judged, first = rows.judged, errors[0]
    clusters = judged.users, judged.movies
    squared = [estimate_rmse_difference(each, first, *clusters) for each in errors[1:]]
    absolute = [
        Estimate(mae(each) - mae(first), clustered_error(np.abs(each) - np.abs(first), *clusters))
        for each in errors[1:]
    ]
    return [
        _figure("rmse", "lower", [rmse(each) for each in errors], squared),
        _figure("mae", "lower", [mae(each) for each in errors], absolute),
    ]


def list_figures(lists: Sequence[MeasuredLists]) -> list[ComparedFigure]:
    """nDCG@10 and recall@10 of all models, paired by user."""
    return [
        _of_users("ndcg_at_10", [each.ndcg for each in lists]),
        _of_users("recall_at_10", [each.recall for each in lists]),
    ]


def slice_figures(rows: SharedTestRows, errors: Sequence[Doubles]) -> list[ComparedSlice]:
    """The RMSE of all models by slice; slices with rows of fewer than ten users or movies are left out.

    A difference counts as certain only if it does for all slices together (Holm's correction, two-sided).
    """
    judged = rows.judged
    cut: list[tuple[str, str, NDArray[np.intp]]] = [
        (slicing.name, label, places)
        for slicing in rows.slicings()
        for label, places in slicing
        if min(count_clusters(codes[places]) for codes in (judged.users, judged.movies)) >= FEWEST
    ]
    by_model = [
        _certain_ones(
            [
                estimate_rmse_difference(
                    each[places], errors[0][places], judged.users[places], judged.movies[places]
                )
                for _, _, places in cut
            ]
        )
        for each in errors[1:]
    ]
    return [
        ComparedSlice(
            slicing=name,
            slice=label,
            rows=len(places),
            values=[rmse(each[places]) for each in errors],
            differences=[differences[place] for differences in by_model],
        )
        for place, (name, label, places) in enumerate(cut)
    ]


def _certain_ones(estimates: Sequence[Estimate]) -> list[Difference]:
    """The differences of one model on all slices; one that is not certain by Holm's correction is `unclear`."""
    p_values = [_p_value(each) for each in estimates]
    order = np.argsort(p_values, kind="stable").tolist()
    certain = set(order[: holm([p_values[place] for place in order], level=_LEVEL)])
    return [_difference(each, "lower", certain=place in certain) for place, each in enumerate(estimates)]


def _p_value(estimate: Estimate) -> float:
    if not estimate.standard_error:
        return 0.0 if estimate.value else 1.0
    return 2 * NormalDist().cdf(-abs(estimate.value) / estimate.standard_error)


def _of_users(name: str, figures: Sequence[NDArray[np.float64]]) -> ComparedFigure:
    differences = [Estimate(*mean_and_error(each - figures[0])) for each in figures[1:]]
    return _figure(name, "higher", [mean_and_error(each)[0] for each in figures], differences)


def _figure(
    name: str, better: Better, values: list[float], differences: Sequence[Estimate]
) -> ComparedFigure:
    return ComparedFigure(
        name=name,
        better=better,
        values=values,
        differences=[
            _difference(each, better, certain=each.low < each.high and not each.low <= 0 <= each.high)
            for each in differences
        ],
    )


def _difference(estimate: Estimate, better: Better, *, certain: bool) -> Difference:
    verdict: DifferenceVerdict = "unclear"
    if estimate.value == 0 and estimate.standard_error == 0:
        verdict = "same"
    elif certain:
        verdict = "better" if (estimate.value < 0) == (better == "lower") else "worse"
    return Difference(
        value=estimate.value,
        standard_error=estimate.standard_error,
        low=estimate.low,
        high=estimate.high,
        verdict=verdict,
    )


def find_doubts(rows: SharedTestRows, subjects: Sequence[Subject], *, list_users: int) -> Iterator[str]:
    """Reasons to distrust the comparison or its intervals, in sentences."""
    for subject in subjects:
        known = float(subject.model.knows_ids(*rows.ids_of(rows.judged)).mean())
        if known < _LEAST_KNOWN:
            yield f"{subject.note.name} knows both user and movie of only {known:.0%} of the rows."
    users, movies = (count_clusters(codes) for codes in (rows.judged.users, rows.judged.movies))
    if min(users, movies) < FEWEST:
        yield f"The rows are of {users} users and {movies} movies: too few for intervals that can be relied on."
    elif 0 < list_users < FEWEST:
        yield f"Lists of {list_users} users are too few for intervals that can be relied on."
