"""What is answered: the models of all answers. Ids are integers or texts, as the release has them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = int | str
Version = Annotated[str, Field(description="The release that answered.", examples=["v0002"])]


class BaseResponse(BaseModel):
    """An object of an answer."""

    model_config = ConfigDict(frozen=True)


class Failure(BaseResponse):
    """Why there is no answer."""

    error: str = Field(examples=["`n` is 0; expected 1 or more."])


class Movie(BaseResponse):
    """A movie of the release."""

    movie_id: Id = Field(examples=[41])
    title: str | None = Field(examples=["The Electric Quarry"])
    year: int | None = Field(examples=[1994])


class Reason(Movie):
    """A movie that the user rated, and its share of a score."""

    rating: float | None = Field(description="The user's rating; null for a play.", examples=[4])
    share: float = Field(description="What this rating adds to the score.", examples=[0.31])


class Suggested(Movie):
    """A movie of a list, the best first."""

    score: float = Field(description="What the list is ordered by.", examples=[1.62])
    expected_rating: float | None = Field(description="Null for a release of plays.", examples=[4.4])
    because: Reason | None = Field(
        None, description="The rated movie with the largest positive share, if reasons were asked for."
    )


class Similar(Movie):
    """A neighbour of a movie."""

    score: float = Field(description="Cosine of the two vectors, -1 to 1.", examples=[0.87])


class Found(Movie):
    """A movie that a search found."""

    train_rows: int = Field(description="Ratings that the release was trained on.", examples=[312])


class Rated(Movie):
    """A movie that a user rated."""

    rating: float | None = Field(
        description="Null for a play, and in a release without a ranking model.", examples=[4]
    )


class Predictions(BaseResponse):
    """Expected ratings, in the order of the pairs."""

    release: Version
    ratings: list[float] = Field(examples=[[2.3125, 3.6875]])
    unknown_users: int = Field(description="Pairs whose user the release does not know.", examples=[0])
    unknown_movies: int = Field(description="Pairs whose movie the release does not know.", examples=[0])


class MovieList(BaseResponse):
    """The list of a user."""

    release: Version
    user_id: Id = Field(examples=[5449])
    known: bool = Field(
        description="Whether the release knows the user; if not, the list is of popular movies."
    )
    movies: list[Suggested]


class GuestList(BaseResponse):
    """The list of a new user."""

    release: Version
    unknown: list[Id] = Field(description="Rated movies that the release does not know.", examples=[[]])
    movies: list[Suggested]


class SimilarMovies(BaseResponse):
    """The neighbours of a movie, the closest first."""

    release: Version
    movie: Movie
    movies: list[Similar]


class ExplainedScore(BaseResponse):
    """Why a movie has its score for a user."""

    release: Version
    movie: Movie
    known: bool = Field(
        description="Whether the release knows the user; if not, the score is the movie's popularity."
    )
    score: float = Field(description="The sum of the shares of all reasons.", examples=[1.62])
    reasons: list[Reason] = Field(description="The largest absolute share first.")
    other_reasons: int = Field(description="Number of reasons that are not listed.", examples=[12])
    other_share: float = Field(description="What those add to the score.", examples=[0.2])


class UserRatings(BaseResponse):
    """What a user rated, the highest rating first."""

    release: Version
    user_id: Id = Field(examples=[5449])
    known: bool = Field(description="Whether the release knows the user.")
    count: int = Field(description="Number of movies that the user rated.", examples=[87])
    movies: list[Rated]


class SearchResult(BaseResponse):
    """Movies and users that a search found."""

    release: Version
    movies: list[Found]
    users: list[Id] = Field(description="Users whose id starts with the words.", examples=[[5449]])


class ReleaseFacts(BaseResponse):
    """A release that can be asked."""

    version: str = Field(examples=["v0002"])
    champion: bool = Field(description="Whether it answers questions that name no release.")
    created: str | None = Field(examples=["2026-11-26T03:00:00+00:00"])
    model: str = Field(examples=["dot"])
    rmse: float | None = Field(
        description="Error on test rows; null for a release of plays.", examples=[0.85]
    )
    scale: tuple[float, float] = Field(description="The lowest and the highest rating.", examples=[(1, 5)])
    plays: bool = Field(description="Whether it was trained on plays, which have no ratings.")


class Releases(BaseResponse):
    """All releases that can be asked, the newest first."""

    releases: list[ReleaseFacts]


class Health(BaseResponse):
    """Whether the server answers, and with which release."""

    status: Literal["ok", "stale"] = Field(description="`stale` if the champion can't be loaded.")
    release: Version
    since: str = Field(description="When it was loaded.", examples=["2026-11-26T03:00:05+00:00"])
    problem: str | None = Field(
        description="Why the champion is not the release that answers.", examples=[None]
    )
