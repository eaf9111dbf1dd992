"""The rejects table: one row per rejected source row, and the reason codes."""

import pandera.polars as pa
import polars as pl

from matinee.schemas.ratings import FIRST_DATE, LAST_DATE
from matinee.schemas.text_ids import LONGEST
from matinee.schemas.titles import FIRST_YEAR, LAST_YEAR

# Code and its meaning. Scripts rely on the codes: add, never rename.
CODES = {
    # Found by the parser.
    "too_few_columns": "the row ends before the last required column",
    "too_many_columns": "the row has more columns than the header",
    "quote_unclosed": "a quote opens and does not close",
    "user_id_not_integer": "the user id is not a 64-bit integer",
    "movie_id_not_integer": "the movie id is not a 64-bit integer",
    "rating_not_a_number": "the rating is not a finite number",
    "date_unparsable": "the date is neither YYYY-MM-DD nor written like the others of the file",
    "year_not_integer": "the year is neither a number nor NULL",
    "user_id_too_long": f"the user id is longer than {LONGEST} bytes",
    "movie_id_too_long": f"the movie id is longer than {LONGEST} bytes",
    # Found by the pandera models.
    "user_id_missing": "the user id is empty",
    "movie_id_missing": "the movie id is empty",
    "rating_missing": "the rating is empty",
    "title_missing": "the title is empty",
    "user_id_out_of_bounds": "the user id is negative",
    "movie_id_out_of_bounds": "the movie id is negative",
    "rating_out_of_bounds": "the rating is outside the scale",
    "date_out_of_bounds": f"the date is before {FIRST_DATE.year} or after {LAST_DATE.year}",
    "year_out_of_bounds": f"the year is before {FIRST_YEAR} or after {LAST_YEAR}",
    "duplicate_movie_id": "an earlier line has the same movie id",
    # The text of these rows is not kept.
    "forgotten": "the user was erased (matinee forget)",
    # Found over all files together.
    "superseded": "another row with the same user and movie is kept instead",
}


class Rejects(pa.DataFrameModel):
    """Rejected rows; `line` counts from 1 in the file, `raw` is the line's text without its line end."""

    file: pl.String
    line: pl.Int64 = pa.Field(ge=1)
    raw: pl.String
    column: pl.String = pa.Field(nullable=True)
    code: pl.String = pa.Field(isin=list(CODES))

    class Config:
        strict = True
        ordered = True
