"""Recognises files that hold no ratings: titles, links, tags, users, a description, a picture.

A file that is not recognised for certain is an error, because it may hold ratings.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import Final

from matinee.containers.encoding import decode_line
from matinee.errors import DataError
from matinee.ingest.reading.rows import split_fields
from matinee.ingest.titles.layout import recognize_titles
from matinee.schemas.delimiters import ONE_BYTE, RARE_FIRST
from matinee.schemas.headers import ALIASES, plain_name

_MAGIC: Final = {
    b"%PDF": "a PDF",
    b"\x7fELF": "a program",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"#!": "a program",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}
_ENDINGS: Final = {
    **dict.fromkeys((".md", ".rst", ".pdf", ".docx", ".log"), "a description"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".mp4"), "a picture"),
    **dict.fromkeys((".py", ".pl", ".sh", ".r", ".ipynb", ".sql", ".m", ".java", ".exe"), "a program"),
    **dict.fromkeys((".html", ".htm"), "a web page"),
    **dict.fromkeys((".md5", ".sha1", ".sha256", ".crc", ".sig", ".asc"), "checksums"),
    **dict.fromkeys((".yml", ".yaml", ".toml", ".ini", ".cfg"), "settings"),
    **dict.fromkeys((".swp", ".swo"), "a file of an editor"),
}
_YEAR: Final = re.compile(r"\((18|19|20)\d\d\)", re.ASCII)
_YEAR_ALONE: Final = re.compile(r"((18|19|20)\d\d(\.0)?|null|)", re.ASCII | re.IGNORECASE)
_NAMES: Final = dict.fromkeys(("thumbs.db", "desktop.ini", "croissant.json"), "a description")
# A kind by its name, if all words of the name are among these or those that mean nothing.
_WORDS: Final = {
    "titles": "movie movies title titles item items film films book books metadata",
    "links": "link links",
    "tags": "tag tags genome scores genre genres",
    "users": "user users occupation occupations people members profiles demographics",
    "links between users": "trust trusts friend friends social network contact contacts follows followers edges",
    "texts without ratings": "tip tips checkin checkins photo photos",
    "a description": "readme license licence copying changelog citation about notes info summary",
    "a file of a job's progress": "success committed started",
    "checksums": "md5 md5sums sha256sums checksum checksums",
    "pairs without ratings": "probe qualifying",
}
_MEANS_NOTHING: Final = frozenset(
    (
        *("u", "ml", "the", "all", "netflix", "movielens", "data", "dataset", "files", "export", "academic"),
        "yelp",
    )
)
# Columns that ratings do not have, by the kind of their table.
_COLUMNS: Final = {
    "links": {"imdbid", "tmdbid"},
    "tags": {"tag", "tagid", "relevance", "keywords"},
    "users": {"age", "gender", "sex", "occupation", "zipcode", "zip"},
    "people": {"nconst", "birthyear"},
    "credits": {"directors", "writers", "cast", "crew"},
    "averages of ratings": {"averagerating", "numvotes"},
    "links between users": {"trustorid", "trusteeid", "truster", "trustee", "friendid", "followerid"},
}
# Columns of ratings that one person exports: a table for one person has no column of users.
_OF_ONE_PERSON: Final = {"myrating", "yourrating", "letterboxduri"}
_PAIRS: Final = {*ALIASES["user_id"], *ALIASES["movie_id"], *ALIASES["date"]}
PAIRS: Final = "pairs without ratings"
_SAMPLED_LINES: Final = 50
_FEWEST_WORDS: Final = 4  # in a line of prose
_LETTERS: Final = 0.6  # of a description are letters and blanks


def kind_by_name(name: str) -> str | None:
    """What a file is by its name, or None. Its content may say otherwise."""
    path = PurePath(name.lower())
    while path.suffix in (".gz", ".bz2", ".xz", ".zst", ".zip"):
        path = path.with_suffix("")
    stem = path.name
    if kind := _NAMES.get(stem) or _ENDINGS.get(path.suffix):
        return kind
    if stem.startswith("~$"):
        return "a lock of an office program"
    if path.suffix in (".csv", ".tsv", ".txt", ".dat", ".json", ".jsonl", ".parquet", ".inter"):
        stem = path.stem
    words = {word for word in re.split(r"[^a-z]+", stem) if word} - _MEANS_NOTHING
    return next((kind for kind, known in _WORDS.items() if words and words <= {*known.split()}), None)


def kind_by_content(head: bytes) -> str | None:
    """What a file is by its first bytes, or None for ratings and unknown files."""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    lines = [decode_line(line).strip() for line in head.removeprefix(BOM_UTF8).split(b"\n")]
    lines = [line for line in lines if line][:_SAMPLED_LINES]
    if not lines:
        return None
    if lines[0].startswith("{") and not lines[0].endswith("}"):
        return "a JSON document"  # one object over many lines; ratings have one per line
    return kind_by_header(lines) or _pairs(lines) or _titles(lines) or _prose(lines)


def is_export_of_one_person(names: Collection[str]) -> bool:
    """Whether names of columns, as `plain_name` has them, are those of the ratings of one person."""
    return bool(_OF_ONE_PERSON.intersection(names)) and not any(name in ALIASES["user_id"] for name in names)


def kind_by_header(lines: Sequence[str]) -> str | None:
    """What a file is by the names of its columns, or None for ratings and unknown files."""
    for delimiter in RARE_FIRST:
        header = [plain_name(name) for name in split_fields(lines[0], delimiter)]
        names = {*header}
        if names.intersection(ALIASES["user_id"]) and names.intersection(ALIASES["rating"]):
            return None  # ratings whose movies have another name
        if len(header) > 1 and names <= _PAIRS and names.intersection(ALIASES["user_id"]):
            return PAIRS
        for kind, columns in _COLUMNS.items():
            if len(names) > 1 and names & columns:
                return None if kind == "links" and are_titles(lines) else kind
    return None


def _pairs(lines: Sequence[str]) -> str | None:
    """Netflix's probe.txt and qualifying.txt: a line `8:`, then lines without ratings."""
    rows = [line for line in lines if not re.fullmatch(r"\d+\s*:", line)]
    is_netflix = re.fullmatch(r"\d+\s*:", lines[0]) is not None
    return (
        "pairs without ratings" if is_netflix and rows and max(row.count(",") for row in rows) < 2 else None
    )


def _titles(lines: Sequence[str]) -> str | None:
    return "titles" if are_titles(lines) else None


def are_titles(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are those of titles: with a header, or with years."""
    try:
        layout = recognize_titles(lines, label="")
    except DataError:
        return False
    if is_export_of_one_person({plain_name(name) for name in split_fields(lines[0], layout.delimiter)}):
        return False
    rows = [fields for line in lines[layout.skip :] if isinstance(fields := layout.split(line), list)]
    named = sum(
        any(char.isalpha() or (layout.has_header and char.isdecimal()) for char in fields[layout.title])
        for fields in rows
    )
    dated = sum(_YEAR.search(fields[layout.title]) is not None for fields in rows)
    years = sum(_is_year(fields[layout.year]) for fields in rows) if layout.year is not None else dated
    has_years = 2 * years > len(rows)
    return bool(rows) and 2 * named > len(rows) and (layout.has_header or has_years)


def _is_year(field: str) -> bool:
    return _YEAR_ALONE.fullmatch(field.strip()) is not None


def _prose(lines: Sequence[str]) -> str | None:
    for delimiter in ONE_BYTE:
        rows = [split_fields(line, delimiter) for line in lines]
        known = _PAIRS.intersection(map(plain_name, rows[0]))
        if len(rows[0]) > 1 and (known or _is_table([*map(len, rows)])):
            return None
    text = "".join(lines)
    letters = sum(char.isalpha() or char == " " for char in text)
    sentences = sum(len(re.findall(r"[^\W\d_]{2,}", line)) >= _FEWEST_WORDS for line in lines)
    return "a description" if letters > _LETTERS * len(text) and 2 * sentences >= len(lines) else None


def _is_table(widths: Sequence[int]) -> bool:
    """Whether several lines have the same number of fields."""
    return len(widths) > 1 and all(width == widths[0] for width in widths)
