"""Bad rows for a sample: each has exactly one fault, and the reject code that ingest must give it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import numpy as np
from numpy.typing import NDArray

from matinee.sample.titles import invent_title

# Replacements of a field; `{}` is its original text.
_SPOILED = {
    "user_id_not_integer": ("user", ("{}x", "abc", "{}.5", "9223372036854775808", "12 34")),
    "movie_id_not_integer": ("movie", ("m{}", "tt0{}", "{}.5", "18446744073709551616", "?")),
    "rating_not_a_number": ("rating", ("good", "{}*", "NaN", "inf", "four", "{}/5")),
    "date_unparsable": (
        "date",
        ("2003-02-29", "2004-13-01", "2005-00-10", "yesterday", "03/07/2004", "2001-04-31"),
    ),
    "user_id_missing": ("user", ("",)),
    "movie_id_missing": ("movie", ("",)),
    "rating_missing": ("rating", ("",)),
    "user_id_out_of_bounds": ("user", ("-{}",)),
    "movie_id_out_of_bounds": ("movie", ("-{}",)),
    "rating_out_of_bounds": ("rating", ("0", "6", "9", "-1", "5.5", "100")),
    "date_out_of_bounds": ("date", ("1899-12-31", "1776-07-04", "2100-01-01", "2199-06-30")),
}
_TOO_LONG = {
    "user_id_too_long": ("user", ("{}" + "x" * 256,)),
    "movie_id_too_long": ("movie", ("{}" + "x" * 256,)),
}
_CSV_CODES = ("too_few_columns", "too_many_columns", "quote_unclosed", *_SPOILED, "superseded")
# Any text is a text id, if it is not too long.
_OF_INTEGERS = (
    "user_id_not_integer",
    "movie_id_not_integer",
    "user_id_out_of_bounds",
    "movie_id_out_of_bounds",
)
_TEXT_CODES = (*(code for code in _CSV_CODES if code not in _OF_INTEGERS), *_TOO_LONG)
# Netflix text has no quotes, and its movie is on a separate line that the rows below share.
_NETFLIX_CODES = tuple(code for code in _CSV_CODES if "movie" not in code and code != "quote_unclosed")
_TITLE_CODES = (
    "too_few_columns",
    "movie_id_not_integer",
    "year_not_integer",
    "movie_id_missing",
    "title_missing",
    "movie_id_out_of_bounds",
    "year_out_of_bounds",
    "duplicate_movie_id",
)
# The ingest takes the smallest scale that holds 99% of the ratings: rather more than this and it is another.
_MOST_OUT_OF_SCALE = 0.004
_DAYS_EARLIER = 30


@dataclass(frozen=True)
class Dirt:
    """The planned bad rows, spread evenly over the clean ones; the code of each is `codes[kinds[i]]`."""

    codes: tuple[str, ...]
    kinds: NDArray[np.uint8]
    rows: int  # clean ones
    seed: int

    def counts(self) -> dict[str, int]:
        """How many bad rows of each code there are."""
        counts = np.bincount(self.kinds, minlength=len(self.codes)).tolist() if len(self.kinds) else []
        return dict(zip(self.codes, counts, strict=False))

    def among(self, first: int, stop: int) -> list[str]:
        """Codes of the bad rows that belong to the clean rows `first` to `stop` - 1."""
        bad = len(self.kinds)
        kinds = self.kinds[first * bad // self.rows : stop * bad // self.rows]
        return [self.codes[kind] for kind in kinds]


def plan_dirt(rows: int, *, dirty: float, netflix: bool, seed: int, text_ids: bool = False) -> Dirt:
    """Bad rows in addition to `rows` clean ones: the share `dirty` of all, and at least one of each code."""
    codes = _NETFLIX_CODES if netflix else _TEXT_CODES if text_ids else _CSV_CODES
    kinds = _spread(_bad_rows(rows, dirty=dirty, codes=codes), codes=codes, seed=seed)
    out_of_scale = np.flatnonzero(kinds == codes.index("rating_out_of_bounds"))
    stride = math.ceil(len(out_of_scale) / max(1, int(rows * _MOST_OUT_OF_SCALE)))
    if stride > 1:  # keep one of so many, over the whole file
        kinds[np.delete(out_of_scale, np.s_[::stride])] = codes.index("rating_not_a_number")
    return Dirt(codes, kinds, rows, seed)


def soil_titles(
    lines: Sequence[str], *, dirty: float, seed: int, text_ids: bool = False
) -> tuple[list[str], dict[str, int]]:
    """The title lines with bad ones among them, never the first; and how many of each code."""
    codes = tuple(code for code in _TITLE_CODES if not (text_ids and code in _OF_INTEGERS))
    bad = _bad_rows(len(lines), dirty=dirty, codes=codes)
    kinds = _spread(bad, codes=codes, seed=seed)
    chance = Random(f"title dirt {seed}")  # nosec B311 # sample data, the same for a seed; no secret
    soiled: dict[int, list[str]] = {}
    for i, kind in enumerate(kinds.tolist()):
        after = chance.randrange(len(lines))
        earlier = lines[chance.randrange(after + 1)]
        unused = len(lines) + 1 + i
        soiled.setdefault(after, []).append(_bad_title(codes[kind], chance, earlier=earlier, unused=unused))
    counts = dict(zip(codes, np.bincount(kinds, minlength=len(codes)).tolist(), strict=True))
    return [
        text for i, line in enumerate(lines) for text in (line, *soiled.get(i, ()))
    ], counts if bad else {}


def bad_row(code: str, chance: Random, *, row: dict[str, str], is_before: bool) -> str:
    """The line of a good row (its fields by name, in order) with one fault; `is_before` that row, or after it."""
    fields = list(row.values())
    if code == "too_few_columns":
        return ",".join(fields[: chance.randint(1, len(fields) - 2)])
    if code == "too_many_columns":
        return ",".join([*fields, *chance.choice((["x"], ["3"], ["a", "b"]))])
    if code == "quote_unclosed":
        place = chance.randrange(len(fields))
        fields[place] = '"' + fields[place]
        return ",".join(fields)
    if code == "superseded":
        # The same day will do where the later line wins.
        earlier = timedelta(chance.randint(0 if is_before else 1, _DAYS_EARLIER))
        older = str(date.fromisoformat(row["date"]) - earlier)
        return ",".join({**row, "rating": chance.choice("12345"), "date": older}.values())
    name, forms = (_SPOILED | _TOO_LONG)[code]
    return ",".join({**row, name: chance.choice(forms).format(row[name])}.values())


def _bad_rows(rows: int, *, dirty: float, codes: Sequence[str]) -> int:
    return max(len(codes), round(rows * dirty / (1 - dirty))) if dirty else 0


def _spread(bad: int, *, codes: Sequence[str], seed: int) -> NDArray[np.uint8]:
    """Each code equally often, in random order."""
    kinds = (np.arange(bad) % len(codes)).astype(np.uint8)
    return np.random.default_rng([seed, bad]).permutation(kinds)


def _bad_title(code: str, chance: Random, *, earlier: str, unused: int) -> str:
    title = invent_title(chance, way=chance.randrange(100))
    forms = {
        "too_few_columns": (f"{unused},1999", f"{unused}"),
        "movie_id_not_integer": (f"x{unused},1999,{title}", f"{unused}.5,1999,{title}"),
        "year_not_integer": (f"{unused},19x9,{title}", f"{unused},MCMXC,{title}"),
        "movie_id_missing": (f",1999,{title}",),
        "title_missing": (f"{unused},1999,",),
        "movie_id_out_of_bounds": (f"-{unused},1999,{title}",),
        "year_out_of_bounds": (f"{unused},1492,{title}", f"{unused},2525,{title}"),
        "duplicate_movie_id": (f"{earlier.partition(',')[0]},1999,{title}", earlier),
    }
    return chance.choice(forms[code])
