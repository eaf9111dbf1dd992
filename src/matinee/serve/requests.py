"""What may be asked: the models of queries and bodies, with the limits of each value."""

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from matinee.errors.text import shown
from matinee.release.narrowing import Narrow

MOST_PAIRS: Final = 10_000
MOST_LISTED: Final = 1_000
MOST_RATINGS: Final = 2_000
MOST_IDS: Final = 100_000
LONGEST_ID: Final = 1_000  # characters
_LONGEST_WORDS: Final = 200

Id = StrictInt | Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_ID)]
IdText = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
Count = Annotated[int, Field(ge=1, le=MOST_LISTED)]  # in a query, where all values are texts
StrictCount = Annotated[StrictInt, Field(ge=1, le=MOST_LISTED)]
# The first wrong entry ends the check: a million errors of one body would keep the server busy for seconds.
Ids = Annotated[list[Id], Field(max_length=MOST_IDS, fail_fast=True)]
Year = Annotated[StrictInt, Field(ge=0, le=9999)]
_COUNT_HELP: Final = "Number of movies, at most."


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [values]})


class BaseRequest(BaseModel):
    """What every question may name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: Annotated[str | None, Field(max_length=40)] = Field(
        None,
        description="Version of the release that answers; the champion if it is left out.",
        examples=["v0002"],
    )


class Pair(BaseModel):
    """A user and a movie."""

    model_config = _example(user_id=5449, movie_id=1)

    user_id: Id
    movie_id: Id


class PredictRequest(BaseRequest):
    """Pairs of users and movies whose ratings are asked for."""

    model_config = _example(pairs=[{"user_id": 5449, "movie_id": 1}, {"user_id": 11041, "movie_id": 2}])

    pairs: Annotated[list[Pair], Field(min_length=1, max_length=MOST_PAIRS, fail_fast=True)]


class ListRequest(BaseRequest):
    """How a list is made: its length, reasons, and the filters of `matinee recommend`."""

    n: StrictCount = Field(10, description=_COUNT_HELP)
    explain: StrictBool = Field(False, description="Add the rated movie that speaks most for each one.")
    exclude: Ids = Field([], description="Movies to leave out.")
    only: Ids | None = Field(None, description="The movies that may be listed; null for all.")
    years: tuple[Year, Year] | None = Field(None, description="First and last year; null for all.")
    per_franchise: StrictCount | None = Field(None, description="Movies of one franchise, at most.")
    per_year: StrictCount | None = Field(None, description="Movies of one year, at most.")

    @property
    def narrow(self) -> Narrow:
        """The filters as keywords of `Release.recommend`; only those that were given."""
        narrow: Narrow = {}
        if self.exclude:
            narrow["exclude"] = self.exclude
        if self.only is not None:
            narrow["only"] = self.only
        if self.years is not None:
            narrow["years"] = self.years
        if self.per_franchise is not None:
            narrow["per_franchise"] = self.per_franchise
        if self.per_year is not None:
            narrow["per_year"] = self.per_year
        return narrow


class RecommendRequest(ListRequest):
    """A user whose list is asked for."""

    model_config = _example(user_id=5449, n=3, explain=True, years=[1990, 2005], per_franchise=1)

    user_id: Id


class GuestRating(BaseModel):
    """A rating of somebody who is not in the data; without `rating` for a release of plays."""

    model_config = _example(movie_id=1, rating=5)

    movie_id: Id
    rating: Annotated[float, Field(allow_inf_nan=False, strict=True)] | None = None


class FoldInRequest(ListRequest):
    """A few ratings of a new user, whose list is asked for."""

    model_config = _example(
        ratings=[{"movie_id": 1, "rating": 5}, {"movie_id": 2, "rating": 2}], n=3, explain=True
    )

    ratings: Annotated[list[GuestRating], Field(max_length=MOST_RATINGS, fail_fast=True)] = Field(
        description="Ratings, one per movie. A release of plays takes them without `rating`, and others with it."
    )

    @model_validator(mode="after")
    def _has_no_movie_twice(self) -> Self:
        met: set[int | str] = set()
        for each in self.ratings:
            if each.movie_id in met:
                raise ValueError(
                    f"movie {shown(each.movie_id, 80)} is in `ratings` twice; give each movie once"
                )
            met.add(each.movie_id)
        return self

    @model_validator(mode="after")
    def _are_all_of_a_kind(self) -> Self:
        if len({each.rating is None for each in self.ratings}) > 1:
            raise ValueError("either all of the ratings have a `rating`, or none has")
        return self


class SimilarRequest(BaseRequest):
    """A movie whose neighbours are asked for."""

    movie_id: IdText = Field(examples=["1"])
    n: Count = Field(10, description=_COUNT_HELP)


class ExplainRequest(BaseRequest):
    """A user and a movie whose score is to be explained."""

    user_id: IdText = Field(examples=["5449"])
    movie_id: IdText = Field(examples=["41"])
    n: Count = Field(10, description="Number of reasons, at most.")


class RatingsRequest(BaseRequest):
    """A user whose ratings are asked for."""

    user_id: IdText = Field(examples=["5449"])
    n: Count = Field(100, description=_COUNT_HELP)


class SearchRequest(BaseRequest):
    """Words of a title, or an id. Without words, the movies with most ratings."""

    q: Annotated[str, Field(max_length=_LONGEST_WORDS)] = Field(
        "", description="Words of a title, in any order, or an id.", examples=["electric"]
    )
    n: Annotated[int, Field(ge=1, le=100)] = Field(10, description="Number of movies, and of users, at most.")
