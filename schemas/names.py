"""Columns of ratings and titles as types for signatures, and the kinds of ids. A test compares them with the tables."""

from typing import Final, Literal

Column = Literal["user_id", "movie_id", "rating", "date"]
TitleColumn = Literal["movie_id", "year", "title"]
Side = Literal["user_id", "movie_id"]
Kind = Literal["integer", "text"]
SIDES: Final[tuple[Side, ...]] = ("user_id", "movie_id")
