"""What a release suggests to a user, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reason:
    """A movie that the user rated, and what that adds to the score of another one.

    Attributes:
        movie_id: The rated movie.
        title: Its title; None if the source had none.
        rating: The user's rating; None for a play.
        share: The part of the score that comes from this rating; negative if it speaks against the movie.
    """

    movie_id: int | str
    title: str | None
    rating: float | None
    share: float

    @property
    def says(self) -> str:
        """What the user did: `rated 4`, or `played`."""
        return "played" if self.rating is None else f"rated {self.rating:g}"


@dataclass(frozen=True)
class Explanation:
    """Why a movie has its score for a user.

    Attributes:
        movie_id: The movie.
        title: Its title; None if the source had none.
        score: The score that orders the user's list. It is the sum of the shares of all reasons.
        reasons: Every movie that the user rated, the largest absolute share first. Empty for a user without ratings,
            whose list is ordered by popularity.
    """

    movie_id: int | str
    title: str | None
    score: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Suggestion:
    """A movie of a list, the best first. It unpacks as `movie_id, title, score`.

    Attributes:
        movie_id: As in the source.
        title: None where the source had none.
        score: What the list is ordered by; higher is better.
        expected_rating: What the user would rate it, within the scale; None in a list of similar movies.
        because: The rated movie with the largest positive share of the score; None unless it was asked for.
    """

    movie_id: int | str
    title: str | None
    score: float
    expected_rating: float | None = None
    because: Reason | None = None

    def __iter__(self) -> Iterator[Any]:
        """Movie id, title and score."""
        return iter((self.movie_id, self.title, self.score))
