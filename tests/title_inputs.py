"""Files of titles, each with the rejects or the refusal that ingest answers with."""

from ingest_inputs import GOOD, MANY, NOISE, Refused

from matinee.errors import DataError

TITLE_CASES: dict[str, tuple[str | bytes, dict[str, int] | Refused]] = {
    "one comma": ("1,2003,A\n2,2004\n", {"too_few_columns": 1}),
    "no comma": ("1,2003,A\n2,2003,B\nA title\n", {"too_few_columns": 1}),
    "a year of letters": ("1,2003,A\n2,MMIV,B\n", {"year_not_integer": 1}),
    "a year too early": ("1,2003,A\n2,1492,B\n", {"year_out_of_bounds": 1}),
    "a year beyond 16 bits": ("1,2003,A\n2,99999,B\n", {"year_out_of_bounds": 1}),
    "an id twice": ("1,2003,A\n1,2003,A\n", {"duplicate_movie_id": 1}),
    "a negative id": ("1,2003,A\n-2,2003,B\n", {"movie_id_out_of_bounds": 1}),
    "an id of letters": ("1,2003,A\n2,2003,B\nx,2003,C\n", {"movie_id_not_integer": 1}),
    "an id beyond int64": ("1,2003,A\n9223372036854775808,2003,B\n", {"movie_id_not_integer": 1}),
    "no id": ("1,2003,A\n2,2003,B\n,2003,C\n", {"movie_id_missing": 1}),
    "no title": ("1,2003,A\n2,2003,\n", {"title_missing": 1}),
    "a quote never closed": ('1,2003,"A, b"\n2,2003,"B, c"\n3,2003,"C\n', {"quote_unclosed": 1}),
    "too many columns": ("movieId,title,genres\n1,A,x\n2,B, c,x\n", {"too_many_columns": 1}),
    "blank lines": ("1,2003,A\n\n  \n2,2003,B\n\n", {}),
    "empty": ("", Refused(DataError, ("is empty",))),
    "blank": ("\n \n", Refused(DataError, ("blank lines",))),
    "binary": (NOISE, Refused(DataError, ("binary content",))),
    "ratings with a header": (MANY, Refused(DataError, ("ratings", "1,2003,Dinosaur Planet"))),
    "ratings without a header": ("\n".join(GOOD), Refused(DataError, ("ratings",))),
    "prose": ("Call me Ishmael.\n" * 5, Refused(DataError, ("something else",))),
    "only a header": ("movieId,title,genres\n", Refused(DataError, ("no readable title",))),
}
