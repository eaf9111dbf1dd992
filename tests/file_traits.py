"""Rating files with any mixture of traits, and a slow reader of them that shares no code with ingest."""

import bz2
import csv
import gzip
import io
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from hypothesis import strategies as st
from packed import tar, zipped, zstd

Row = tuple[int | str, int | str, float, date | None]
# The first rows show what is otherwise ambiguous: users above movies, days above 12, the ends of the scale and halves.
BASE = [(1000 + k, 1 + k % 17, 1 + k % 5, date(2003, 1 + k % 12, 1 + k % 28)) for k in range(60)]
DATES: dict[str, str] = {
    "no date": "",
    "ISO": "%Y-%m-%d",
    "ISO with time": "%Y-%m-%dT%H:%M:%S",
    "ISO with zone": "%Y-%m-%d %H:%M:%S+02:00",
    "digits": "%Y%m%d",
    "seconds": "s",
    "milliseconds": "ms",
    "day first, points": "%d.%m.%Y",
    "month first": "%m/%d/%Y",
    "day first": "%d/%m/%Y",
    "month in letters": "%d %b %Y",
    "month in letters first": "%B %d, %Y",
}
RATINGS: dict[str, Callable[[float], str]] = {
    "whole": lambda value: str(int(value)),
    "one decimal": lambda value: f"{value:.1f}",
    "comma": lambda value: f"{value:.1f}".replace(".", ","),
    "exponent": lambda value: f"{value:.0e}",
}
HEADERS = [
    ("userId", "movieId", "rating", "timestamp"),
    ("User-ID", "ISBN", "Book-Rating", "date"),
    ("customer id", "ITEM ID", "Stars", "created_at"),
    ("reviewerID", "asin", "overall", "unixReviewTime"),
]


PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "zip": lambda data: zipped({"folder/ratings.csv": data}),
    "tar": lambda data: tar({"folder/ratings.csv": data}),
    "tar.gz": lambda data: gzip.compress(tar({"folder/ratings.csv": data})),
}
BAD = {
    "user": (0, "x7"),
    "negative": (0, "-5"),
    "movie": (1, "1.5.2"),
    "rating": (2, "good"),
    "no rating": (2, ""),
    "out of scale": (2, "77"),
    "date": (3, "someday"),
}
TEXTS = st.text(st.sampled_from("abc é日,;\"'#|\n "), max_size=12)


@dataclass(frozen=True)
class Traits:
    """How a file is written."""

    delimiter: str
    quoting: str  # "", "all" or "some"
    backslash: bool  # before a quote within quotes, which is doubled otherwise
    mark: bool  # a byte order mark
    encoding: str
    header: tuple[str, ...]  # empty for none
    order: tuple[int, ...]  # of user, movie, rating, date in a file with a header
    extra: bool  # a column with texts
    blank_lines: bool
    comments: bool
    repeated_header: bool
    date_form: str
    rating_form: str
    packed: str
    line_end: str
    ends: bool  # with a line end
    text_ids: bool
    separator_line: bool  # sep=; as spreadsheets write it
    padded: bool  # with delimiters at the end of each line


@st.composite
def traits(draw: st.DrawFn) -> Traits:
    delimiter = draw(st.sampled_from([",", ";", "\t", "::", "|", " "]))
    quoting = draw(st.sampled_from(["", "all", "some"])) if delimiter in ",;\t" else ""
    forms = [
        form
        for form, pattern in DATES.items()
        if (delimiter != " " or " " not in pattern) and (delimiter != "::" or ":" not in pattern)
        if delimiter != "," or quoting or "," not in pattern
    ]
    ratings = [form for form in RATINGS if form != "comma" or delimiter != "," or quoting]
    header = draw(st.one_of(st.just(()), st.sampled_from(HEADERS)))
    if delimiter == " ":
        header = tuple(name.replace(" ", "_") for name in header)
    date_form = draw(st.sampled_from(forms))
    columns = 4 if DATES[date_form] else 3
    return Traits(
        delimiter=delimiter,
        quoting=quoting,
        backslash=bool(quoting) and draw(st.booleans()),
        mark=draw(st.booleans()),
        encoding=draw(st.sampled_from(["utf-8", "utf-8", "utf-16-le", "utf-16-be"])),
        header=header,
        order=tuple(draw(st.permutations(range(columns)))) if header else tuple(range(columns)),
        extra=bool(header) and delimiter != " " and draw(st.booleans()),
        blank_lines=draw(st.booleans()),
        comments=draw(st.booleans()),
        repeated_header=bool(header) and draw(st.booleans()),
        date_form=date_form,
        rating_form=draw(st.sampled_from(ratings)),
        packed=draw(st.sampled_from([*PACK])),
        line_end=draw(st.sampled_from(["\n", "\r\n", "\r", "mixed"])),
        ends=draw(st.booleans()),
        text_ids=draw(st.booleans()),
        separator_line=delimiter in (",", ";") and draw(st.booleans()),
        padded=bool(header) and delimiter in (",", ";", "\t", "|") and draw(st.booleans()),
    )


values = st.tuples(
    st.integers(0, 2**40),
    st.integers(0, 5000),
    st.integers(2, 10).map(lambda half: half / 2),
    st.dates(date(1996, 1, 1), date(2024, 12, 31)),
    st.sampled_from([None, None, None, None, *BAD]),
)


def _fields(traits: Traits, row: Row, bad: str | None) -> list[str]:
    user, movie, rating, day = row  # integers
    if traits.rating_form in ("whole", "exponent"):
        rating = float(int(rating))
    ids = [f"u{user:x}", f"tt{movie:07}"] if traits.text_ids else [str(user), str(movie)]
    texts = [*ids, RATINGS[traits.rating_form](rating)]
    form = DATES[traits.date_form]
    assert day is not None
    seconds = (day - date(1970, 1, 1)).days * 86_400 + 3600
    stamps = {"s": str(seconds), "ms": f"{seconds}000"}
    if form:
        texts.append(stamps.get(form) or datetime(day.year, day.month, day.day, 10, 30).strftime(form))
    if bad == "short":
        return texts[:2]
    if bad and not (traits.text_ids and bad in ("user", "negative", "movie")):
        place, text = BAD["rating" if bad == "no rating" and traits.delimiter == " " else bad]
        texts[min(place, len(texts) - 1)] = text
    return texts


def _plain(text: str, traits: Traits) -> str:
    """A text as the file can hold it: delimiters, quotes and line ends only in quotes."""
    for char in f'"\n{traits.delimiter}' if not traits.quoting else "\n" if traits.line_end == "\r" else "":
        text = text.replace(char, "_")
    return text


def _is_quoted(field: str, place: int, traits: Traits) -> bool:
    needs = any(char in field for char in f'"\n,{traits.delimiter}')
    return traits.quoting == "all" or (traits.quoting == "some" and (needs or place % 3 == 0))


def write(traits: Traits, rows: list[tuple[Row, str | None]], texts: list[str]) -> bytes:
    """The bytes of a file before it is packed."""
    ends = iter(range(1_000_000))

    def end() -> str:
        return ("\n", "\r\n")[next(ends) % 3 == 1] if traits.line_end == "mixed" else traits.line_end

    quote = '\\"' if traits.backslash else '""'
    if (
        traits.backslash
    ):  # at the end of a line, such a quote ends the field: a text may well end with a backslash
        texts = [re.sub(r'" *\n', '".\n', text) for text in texts]

    def line(fields: list[str], number: int) -> str:
        quoted = [
            f'"{field.replace(chr(34), quote)}"' if _is_quoted(field, number + k, traits) else field
            for k, field in enumerate(fields)
        ]
        return traits.delimiter.join(quoted) + 3 * traits.delimiter * traits.padded

    names = [*traits.header][: len(traits.order)]
    header = [names[place] for place in traits.order] + ["review"] * traits.extra if names else []
    lines = [f"sep={traits.delimiter}"] if traits.separator_line else []
    lines += ["# exported", "# by a tool"] if traits.comments else []
    lines += [line(header, 1)] if header else []
    for number, (row, bad) in enumerate(rows):
        fields = _fields(traits, row, bad)
        shuffled = [fields[place] for place in traits.order]
        shuffled += [_plain(texts[number % len(texts)], traits)] if traits.extra else []
        lines.append(line(shuffled, number))
        if traits.blank_lines and number % 7 == 3:
            lines.append("")
        if traits.comments and number % 11 == 5:
            lines.append("# a comment, with; delimiters")
        if traits.repeated_header and number == len(rows) // 2:
            lines.append(line(header, 1))
    text = "".join(f"{each}{end()}" for each in lines)
    if not traits.ends:
        text = text.rstrip("\r\n")
    return (("\ufeff" if traits.mark else "") + text).encode(traits.encoding)


def read_slowly(traits: Traits, data: bytes) -> tuple[list[Row], int]:
    """The valid rows of unpacked bytes, and the number of all rows; it shares no code with ingest."""
    text = data.decode(traits.encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    valid: list[Row] = []
    rows, names = 0, [*traits.header]
    text = text.removeprefix(f"sep={traits.delimiter}\n")
    for fields in _split(text, traits):
        if not fields or not any(fields) or (traits.comments and fields[0].startswith("#")):
            continue
        if names and set(fields) & set(names):
            continue
        rows += 1
        by_place = dict(zip(traits.order, fields, strict=False))
        try:
            valid.append(_row(by_place, traits))
        except (ValueError, InvalidOperation, KeyError):
            continue
    return valid, rows


def _split(text: str, traits: Traits) -> Iterator[list[str]]:
    if traits.quoting:
        escape = "\\" if traits.backslash else None
        yield from csv.reader(
            io.StringIO(text), delimiter=traits.delimiter, doublequote=not escape, escapechar=escape
        )
    else:
        yield from (line.split(traits.delimiter) for line in text.split("\n"))


def _row(fields: dict[int, str], traits: Traits) -> Row:
    rating = float(Decimal(fields[2].replace(",", ".")))
    user, movie = (fields[0], fields[1]) if traits.text_ids else (int(fields[0]), int(fields[1]))
    if not 1 <= rating <= 5 or user == -5:
        raise ValueError
    form, day = DATES[traits.date_form], None
    if form in ("s", "ms"):
        seconds = int(fields[3]) // (1000 if form == "ms" else 1)
        day = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).date()
    elif form:
        day = datetime.strptime(fields[3], form).date()
    return user, movie, rating, day
