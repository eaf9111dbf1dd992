"""The other files of a dataset: profile.json and partitions.json."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from matinee.formats.base import Format


class DateRange(Format):
    """The first and the last day of a dataset; null where no rating has a date."""

    first: str | None = Field(description="Earliest day, as YYYY-MM-DD.")
    last: str | None = Field(description="Latest day.")


class Profile(Format):
    """profile.json: what the accepted rows of a dataset look like, superseded ones left out."""

    NAME: ClassVar[str] = "profile.json"

    users: int = Field(description="Users with a rating.")
    movies: int = Field(description="Movies with a rating.")
    ratings: int = Field(description="Number of ratings.")
    full_matrix: int = Field(description="Users times movies.")
    percentage_filled: float = Field(description="Ratings in percent of the full matrix.")
    mean_rating: float | None = Field(description="Mean of all ratings.")
    distribution: dict[str, int] = Field(description="Ratings by value.")
    dates: DateRange = Field(description="The days of the ratings.")
    undated: int = Field(description="Ratings without a date.")
    ratings_per_year: dict[str, int] = Field(description="Ratings by year.")
    titles: int = Field(description="Movies of the titles file.")
    rated_movies_without_a_title: int = Field(description="Movies with a rating and no title.")
    titles_without_a_rating: int = Field(description="Movies with a title and no rating.")
    ratings_per_user: dict[str, float] = Field(
        description="Smallest number, quantiles, largest number and mean of a user's ratings."
    )
    ratings_per_movie: dict[str, float] = Field(description="The same of a movie's ratings.")


def rows_in_words(rows: Mapping[str, int]) -> str:
    """The rows of a dataset as the terminal, the log and the pages show them."""
    return f"{rows['read']:,} read, {rows['accepted']:,} accepted, {rows['rejected']:,} rejected"


class ListedFile(Format):
    """One rating file of a partition, as a dataset lists it."""

    file: str = Field(description="Name of the file.")
    rows_read: int = Field(description="Rows of the file.")
    rows: int = Field(description="Rows that were accepted.")


class ListedPartition(Format):
    """One partition of a dataset."""

    digest: str = Field(description="Digest of the partition.")
    role: Literal["train", "test"] = Field(description="What its rows may be used for.")
    rows: int = Field(description="Rows that were accepted.")
    files: list[ListedFile] = Field(description="The files that it contains.")


class PartitionList(Format):
    """partitions.json: the partitions of a dataset, in the order of their rows."""

    NAME: ClassVar[str] = "partitions.json"

    partitions: list[ListedPartition] = Field(description="The partitions.")
