"""The settings of ingest: how files are read, and the limits that no honest file meets."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

ScaleName = Literal["auto", "1-5", "0.5-5", "0-5", "1-10", "0-10", "1-100"]
DelimiterName = Literal["auto", ",", ";", "tab", "::", "|"]
Column = Literal["user_id", "movie_id", "rating", "date"]

FREE_BYTES: Final = 1 << 26  # unpacked: below, max_ratio judges nothing, however well a file is packed
LIMITS: Final = ("max_line_mb", "max_titles_mb", "max_rejects_mb", "max_members", "max_depth", "max_ratio")


class Section(BaseModel):
    """A group of settings: frozen, and closed to names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class IngestSettings(Section):
    """How ratings, titles and pairs are read, and what one file may cost."""

    scale: ScaleName = Field(
        "auto", description="Bounds of a rating; auto takes the smallest scale that holds 99 % of the values."
    )
    duplicates: Literal["latest", "off"] = Field(
        "latest",
        description="The same user and movie twice: keep the latest date, then the later line; off skips the check.",
    )
    max_reject_fraction: float = Field(
        0.01,
        ge=0,
        le=1,
        description="More rejected rows than this stop the run; superseded rows do not count.",
    )
    columns: dict[Column, str] = Field(
        default_factory=dict,
        description="Names of the columns in the file where they are not recognised, as user_id=Who,rating=Stars.",
    )
    delimiter: DelimiterName = Field(
        "auto", description="What stands between two fields, where it is not recognised."
    )
    max_line_mb: int = Field(
        16,
        ge=1,
        le=1024,
        description="Limit of one line in MB; a longer line means that the file is not text.",
    )
    max_titles_mb: int = Field(
        256,
        ge=1,
        le=1 << 16,
        description="Limit of the titles in memory in MB, with 64 bytes added per line; columns that are not read do "
        "not count.",
    )
    max_rejects_mb: int = Field(
        1024,
        ge=1,
        le=1 << 20,
        description="Limit of the rejects of one file on disk in MB, uncompressed, with 64 bytes added per row; beyond "
        "it the file is refused at once.",
    )
    max_members: int = Field(
        100_000, ge=1, le=10_000_000, description="Limit of the entries of an archive, folders included."
    )
    max_depth: int = Field(
        4, ge=1, le=16, description="Limit of containers within containers; a .tar.gz is two of them."
    )
    max_ratio: int = Field(
        250,
        ge=1,
        le=1_000_000,
        description="Limit of the unpacked size as a multiple of the file's size, for files that unpack to more than "
        "64 MB; ratings reach 5 to 20.",
    )

    def dump_meaning(self) -> dict[str, Any]:
        """The settings that decide what a file means, as they enter digests: the limits only refuse files."""
        return self.model_dump(exclude=set(LIMITS))

    @field_validator("columns", mode="before")
    @classmethod
    def _read_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        return {name.strip(): column.strip() for name, _, column in pairs}
