"""Slices and calibration, on rows that were sliced by hand."""

import numpy as np
import pytest

from matinee.evaluate.calibration import calibrate
from matinee.evaluate.comparison.common_lists import MeasuredLists
from matinee.evaluate.comparison.differences import list_figures
from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.slices import cut
from matinee.evaluate.tables import slice_table
from matinee.formats.metrics import Metrics, SliceFigures


def _rows(users: list[int], movies: list[int], dates: list[str]) -> DatedRatings:
    return DatedRatings(
        users=np.array(users, np.int32),
        movies=np.array(movies, np.int32),
        ratings=np.ones(len(users), np.float32),
        dates=np.array(dates, "datetime64[D]"),
    )


def test_each_row_is_in_the_slice_of_its_user_movie_and_date() -> None:
    test = _rows([0, 1, 2], [0, 1, 1], ["2004-02-03", "NaT", "2004-03-01"])
    years = np.array([1955, 0], np.int16)
    found = {
        slicing.name: {label: rows.tolist() for label, rows in slicing}
        for slicing in cut(
            test, user_rows=np.array([4, 5, 0]), movie_rows=np.array([9, 0]), movie_years=years
        )
    }
    assert found == {
        "user_rows": {"0": [2], "1-4": [0], "5-19": [1]},
        "movie_rows": {"0": [1, 2], "1-9": [0]},
        "movie_year": {"unknown": [1, 2], "1950s": [0]},
        "date": {"no date": [1], "2004-02": [0], "2004-03": [2]},
    }


def test_a_long_range_of_dates_is_cut_into_years_without_gaps() -> None:
    test = _rows([0, 0], [0, 0], ["1999-12-31", "2005-01-01"])
    one, year = np.array([1]), np.array([0], np.int16)
    by_date = cut(test, user_rows=one, movie_rows=one, movie_years=year)[-1]
    assert [label for label, _ in by_date] == ["1999", "2005"]
    undated = _rows([0], [0], ["NaT"])
    slicings = cut(undated, user_rows=one, movie_rows=one, movie_years=year)
    assert [slicing.name for slicing in slicings] == ["user_rows", "movie_rows"]


def test_calibration_by_hand() -> None:
    rows = _rows([0, 1, 2, 3], [0, 1, 2, 3], ["NaT"] * 4)
    rated = DatedRatings(rows.users, rows.movies, np.array([1, 3, 2, 4], np.float32), rows.dates)
    predicted = np.array([2.0, 2.0, 4.0, 4.0])
    found = calibrate(rated, predicted - rated.ratings, (1.0, 5.0))
    assert [(b.rows, b.mean_prediction, b.mean_rating) for b in found.bins] == [
        (2, 2, 2),
        (2, 4, 3),
    ]
    assert (found.slope, found.intercept) == pytest.approx((0.5, 1))
    assert calibrate(rated, 3 - rated.ratings.astype(float), (1.0, 5.0)).slope is None


def test_an_interval_without_width_is_not_shown() -> None:
    """That of a slice of one row; metrics.json keeps the figures as they are."""
    slices = [
        SliceFigures(
            slice=str(rows),
            rows=rows,
            rmse=2.0,
            mae=2.0,
            standard_error=error,
            low=2 - 2 * error,
            high=2 + 2 * error,
            bias_only_rmse=1.5,
            global_mean_rmse=1.5,
        )
        for rows, error in ((1, 0.0), (9, 0.25))
    ]
    table = slice_table(Metrics.model_construct(slices={"user_rows": slices}))
    assert [row[3:6] for row in table.rows] == [(2, None, None), (2, 1.5, 2.5)]


def test_a_difference_of_one_user_is_not_clear() -> None:
    lists = [
        MeasuredLists(np.array([good]), np.array([good]), np.zeros((1, 10), np.int32)) for good in (0.25, 0.5)
    ]
    assert {figure.differences[0].verdict for figure in list_figures(lists)} == {"unclear"}
