"""Rows that all pass their schema are found without the many queries of pandera, which names the rows that fail."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from pandera.errors import SchemaError
from pandera.polars import DataFrameSchema

from matinee.ingest.checks.schema import check_frame, passes, validated
from matinee.schemas.columns import polars_columns
from matinee.schemas.ratings import Ratings, ratings_schema
from matinee.schemas.titles import Titles

SCHEMA = ratings_schema(low=1, high=5, step=0.5)
GOOD = {"user_id": [7, 8], "movie_id": [1, 1], "rating": [1.0, 4.5], "date": [date(2005, 1, 2), None]}
TITLES = {"movie_id": [1, 2], "year": [1999, None], "title": ["A", "B"]}


def _frame(**changes: list[Any]) -> pl.DataFrame:
    return pl.DataFrame({**GOOD, **changes}, schema=polars_columns(Ratings))


@pytest.fixture
def no_pandera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DataFrameSchema, "validate", lambda *_, **__: pytest.fail("pandera was asked"))


@pytest.mark.usefixtures("no_pandera")
@pytest.mark.parametrize("rows", [_frame(), _frame().clear()])
def test_good_rows_are_not_given_to_pandera(rows: pl.DataFrame) -> None:
    assert check_frame(rows, SCHEMA).is_empty()
    titles = pl.DataFrame(TITLES, schema=polars_columns(Titles))
    assert validated(titles, Titles) is titles


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user_id": [7, -1]}, "user_id_out_of_bounds"),
        ({"user_id": [7, None]}, "user_id_missing"),
        ({"rating": [1.0, 5.5]}, "rating_out_of_bounds"),
        ({"rating": [1.0, 1.25]}, "rating_out_of_bounds"),
        ({"rating": [1.0, float("nan")]}, "rating_missing"),
        ({"date": [None, date(1812, 1, 1)]}, "date_out_of_bounds"),
    ],
)
def test_a_row_with_a_fault_does_not_pass(changes: dict[str, list[Any]], code: str) -> None:
    assert check_frame(_frame(**changes), SCHEMA).rows() == [
        (1, code.rpartition("_")[0].removesuffix("_out_of"), code)
    ]


@pytest.mark.parametrize(
    "frame",
    [
        _frame().cast({"user_id": pl.Int32}),
        _frame().select("movie_id", "user_id", "rating", "date"),
        _frame().drop("date"),
        _frame().with_columns(more=1),
    ],
)
def test_another_type_or_order_of_columns_does_not_pass(frame: pl.DataFrame) -> None:
    assert not passes(frame, SCHEMA)


def test_a_movie_with_two_titles_is_refused() -> None:
    with pytest.raises(SchemaError, match="not unique"):
        validated(pl.DataFrame({**TITLES, "movie_id": [1, 1]}, schema=polars_columns(Titles)), Titles)
