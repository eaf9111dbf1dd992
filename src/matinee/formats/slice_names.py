"""Slices in a few words, for sentences, tables and the axes of plots."""

from collections.abc import Mapping
from typing import Final

SLICE_NAMES: Final[Mapping[str, str]] = {
    "user_rows": "users with {} rows",
    "movie_rows": "movies with {} rows",
    "movie_year": "movies: {}",
    "date": "rated: {}",
}
