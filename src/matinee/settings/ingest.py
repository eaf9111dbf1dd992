"""The settings of ingest: how files are read, and limits that protect against hostile files."""

import codecs
import re
from collections.abc import Mapping
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from matinee.formats.manifests import Feedback
from matinee.schemas.names import Column, Kind, Side, TitleColumn

DelimiterName = Literal["auto", ",", ";", "tab", "|", "::", "blanks"]
DateOrder = Literal["auto", "day_first", "month_first"]
IdChoice = Literal["auto", "integer", "text", "integer-text", "text-integer"]

_NO_ENCODINGS: Final = ("", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7")
_SCALE: Final = re.compile(r"(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?", re.ASCII)
_LARGEST_RATING: Final = 1e6
LIMITS: Final = (
    "max_line_mb",
    "max_titles_mb",
    "max_rejects_mb",
    "max_members",
    "max_depth",
    "max_ratio",
    "max_query_minutes",
)


class Section(BaseModel):
    """A group of settings. It is frozen and refuses unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class IngestSettings(Section):
    """How ratings, titles and pairs are read, and how much memory and disk one file may take."""

    feedback: Feedback = Field(
        "explicit",
        description="Meaning of a row. explicit: a user rated a movie. implicit: a user played a movie, without a "
        "rating. Plays train only the ranking model, so the release has lists but no predicted ratings.",
    )
    scale: str = Field(
        "auto",
        description="Rating scale as LOW-HIGH, for example 1-5, 0.5-5, 0-100 or -10-10. With a step, as in 1-5:0.5, "
        "values between the steps are rejected. auto derives the scale from the values. Set it if the ratings do "
        "not use the whole scale.",
    )
    duplicates: Literal["latest", "off"] = Field(
        "latest",
        description="Rule for several ratings of a movie by one user. latest keeps the row with the latest date and, "
        "for equal dates, the later row. off keeps all rows and does not look for duplicates.",
    )
    max_reject_fraction: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Maximum share of rejected rows. With more, the run stops. Duplicates "
        "(ingest.duplicates) and rows of forgotten users do not count.",
    )
    ids: IdChoice = Field(
        "auto",
        description="Kind of the ids. integer and text apply to users and movies. integer-text means integers for "
        "users and text for movies. auto decides from the first dataset of a store, separately for users and movies. "
        "It chooses text if more than ingest.max_reject_fraction of the rows have an id that is not a plain integer. A "
        "plain integer has no leading zero and no sign.",
    )
    columns: dict[Column, str] = Field(
        default_factory=dict,
        description="Names or numbers of columns that are not recognised, for example user_id=Who,rating=3. "
        "Numbers start at 1. To ignore a column, write nothing after the equals sign, as in date=.",
    )
    dates: DateOrder = Field(
        "auto",
        description="Whether 2/3/2003 is the second of March (day_first) or the third of February (month_first). auto "
        "searches all such dates for a day above 12, which decides for all files. If there is none, the run stops and "
        "asks for this setting.",
    )
    delimiter: DelimiterName = Field(
        "auto", description="Delimiter between fields. Set it if the delimiter is not recognised."
    )
    unreadable: Literal["error", "skip"] = Field(
        "error",
        description="What to do if a file of a folder, glob or archive cannot be read but might contain ratings. "
        "error stops the run and names the file. skip ignores the file with a warning.",
    )
    title_columns: dict[TitleColumn, str] = Field(
        default_factory=dict,
        description="Names or numbers of the columns of the titles file, for example "
        "movie_id=book_id,title=original_title.",
    )
    encoding: str = Field(
        "auto",
        description="Encoding of text files without a byte order mark, for example gbk or shift_jis. auto recognises "
        "UTF-16. It reads each line of any other file as UTF-8 if that is valid, and otherwise as Windows-1252.",
    )
    max_line_mb: int = Field(
        16,
        ge=1,
        le=1024,
        description="Maximum length of a line in MB. A file with a longer line is refused.",
    )
    max_titles_mb: int = Field(
        256,
        ge=1,
        le=1 << 16,
        description="Maximum memory for the titles in MB. Each line counts as 64 bytes plus the text of the "
        "columns that are read.",
    )
    max_rejects_mb: int = Field(
        1024,
        ge=1,
        le=1 << 20,
        description="Maximum uncompressed size, in MB, of the rejects of one file. Each row counts as its text plus 64 "
        "bytes. A file with more is refused.",
    )
    max_members: int = Field(
        100_000, ge=1, le=10_000_000, description="Maximum number of entries in an archive, folders included."
    )
    max_depth: int = Field(
        4, ge=1, le=16, description="Maximum number of nested containers. A .tar.gz counts as two."
    )
    max_ratio: int = Field(
        250,
        ge=1,
        le=1_000_000,
        description="Maximum ratio of unpacked size to file size. It applies to files that unpack to more than 64 "
        "MB. Rating files usually reach 5 to 20.",
    )
    max_query_minutes: float = Field(
        360,
        gt=0,
        le=10_080,
        description="Maximum time from the start of a database query to its last row, in minutes.",
    )

    @property
    def id_kinds(self) -> dict[Side, Kind]:
        """The kind of the ids of users and of movies; integer where `auto` leaves it open."""
        users, _, movies = self.ids.partition("-")
        kinds: dict[str, Kind] = {"auto": "integer", "integer": "integer", "text": "text"}
        return {"user_id": kinds[users], "movie_id": kinds[movies or users]}

    def with_kinds(self, kinds: Mapping[Side, Kind]) -> Self:
        """The same settings with the kinds of the ids."""
        users, movies = kinds["user_id"], kinds["movie_id"]
        return self.model_copy(update={"ids": users if users == movies else f"{users}-{movies}"})

    def dump_meaning(self) -> dict[str, JsonValue]:
        """The settings that decide how a file is read. Digests cover these; the limits only refuse files."""
        return self.model_dump(exclude=set(LIMITS))

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, value: str) -> str:
        name = value.strip().lower()
        if name == "auto":
            return name
        try:
            "".encode(name)
            known = codecs.lookup(name).name
        except (LookupError, ValueError):
            known = ""
        if known in _NO_ENCODINGS:
            raise ValueError(
                "expected auto or an encoding that Python knows, such as gbk, shift_jis or utf-16"
            )
        return known

    @field_validator("scale")
    @classmethod
    def _check_scale(cls, value: str) -> str:
        if value.strip() == "auto":
            return "auto"
        low, high, step = parse_scale(value)
        return scale_name(low, high, step=step)

    @field_validator("columns", "title_columns", mode="before")
    @classmethod
    def _read_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if unpaired := next((name for name, mark, _ in pairs if not mark), None):
            raise ValueError(f"expected NAME=COLUMN, or NAME= to ignore the column; found {unpaired.strip()}")
        names = [name.strip() for name, _, _ in pairs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"expected each name once; {twice} is given twice")
        return dict(zip(names, (column.strip() for _, _, column in pairs), strict=True))

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, value: dict[Column, str]) -> dict[Column, str]:
        given = [place for place in value.values() if place]
        if twice := next((place for place in given if given.count(place) > 1), None):
            raise ValueError(f"expected one column for each name; {twice} is given twice")
        return value


def parse_scale(text: str) -> tuple[float, float, float | None]:
    """The ends of a scale that is written as `LOW-HIGH` or `LOW-HIGH:STEP`, and its step.

    Whole numbers are integers. Raises ValueError if it is not a scale.

    >>> parse_scale("-10-10"), parse_scale("0.5-5:0.5")
    ((-10, 10, None), (0.5, 5, 0.5))
    """
    found = _SCALE.fullmatch(text.strip())
    low, high = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    step = float(found[3]) if found and found[3] else None
    if low >= high or max(-low, high) > _LARGEST_RATING or step == 0:
        raise ValueError(
            "expected auto or LOW-HIGH, such as 1-5, 0.5-5, 0-100, -10-10 or, with a step, 1-5:0.5"
        )
    return _plain(low), _plain(high), step


def scale_name(low: float, high: float, *, step: float | None = None) -> str:
    """The inverse of `parse_scale`.

    >>> scale_name(-10.0, 10), scale_name(0.5, 5, step=0.5)
    ('-10-10', '0.5-5:0.5')
    """
    return f"{_plain(low)}-{_plain(high)}" + ("" if step is None else f":{_plain(step)}")


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number
