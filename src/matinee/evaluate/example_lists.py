"""A few users' lists with titles and reasons, for a person to judge: lists.json of an evaluation."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.ranking import TOP, top
from matinee.formats.example_lists import ExampleList, ExampleLists, ListedMovie
from matinee.release.arrays import Counts
from matinee.release.plays import is_of_plays
from matinee.release.ranking_model import RankingModel, grade_codes
from matinee.release.rating_levels import to_levels
from matinee.schemas.encoded import TEXT_COLUMNS
from matinee.store.ratings import count_codes

_USERS = 10
_BEST = 5  # titles that say what a user likes


@dataclass(frozen=True)
class Library:
    """Ids and titles by code, and what counts as liked."""

    users: pl.DataFrame  # user_id
    movies: pl.DataFrame  # movie_id, title
    scale: tuple[float, float]
    relevant_from: float

    def title(self, movie: int) -> str:
        """The title of a movie, or its id where none is known."""
        return self.movies["title"][movie] or f"movie {id_of(self.movies, 'movie', movie)}"


def make_examples(
    model: RankingModel, seen: DatedRatings, test: DatedRatings, library: Library
) -> ExampleLists:
    """Lists of ten users who liked a test row, spread evenly over their codes: the same users for the same data.

    Args:
        model: The ranking model.
        seen: What it was fitted on.
        test: What the lists are compared with.
        library: Ids and titles.
    """
    liked = test.ratings >= library.relevant_from
    able = np.unique(test.users[liked])
    chosen = able[np.unique(np.linspace(0, len(able) - 1, min(_USERS, len(able))).astype(np.int64))]
    movie_rows = count_codes(seen.movies, library.movies.height)
    return ExampleLists(
        users=[
            _example(
                int(user),
                model,
                seen.take(np.flatnonzero(seen.users == user)),
                set(test.movies[liked & (test.users == user)].tolist()),
                library,
                movie_rows=movie_rows,
            )
            for user in chosen
        ]
    )


def id_of(table: pl.DataFrame, axis: str, code: int) -> int | str:
    """The id of a code, as the rating files have it."""
    text, number = TEXT_COLUMNS[f"{axis}_id"], f"{axis}_id"
    return str(table[text][code]) if text in table.columns else int(table[number][code])


def _example(
    user: int,
    model: RankingModel,
    rows: DatedRatings,
    found: set[int],
    library: Library,
    *,
    movie_rows: Counts,
) -> ExampleList:
    levels = to_levels(rows.ratings, library.scale)
    scores = model.scores(rows.movies, levels)[None]
    scores[0, model.popularity <= 0] = -np.inf
    scores[0, rows.movies] = -np.inf
    listed = top(scores, np.zeros(model.movies, np.float32), size=TOP)[0]
    best = rows.movies[np.lexsort((rows.movies, -rows.ratings))[:_BEST]]

    def because(movie: int) -> str | None:
        if not len(rows):
            return None
        shares = model.shares(rows.movies, grade_codes(levels), movie=movie)
        return library.title(int(rows.movies[shares.argmax()]))

    return ExampleList(
        user_id=id_of(library.users, "user", user),
        rated=len(rows),
        played=is_of_plays(library.scale),
        best=[library.title(movie) for movie in best.tolist()],
        listed=[
            ListedMovie(
                title=library.title(movie),
                train_rows=int(movie_rows[movie]),
                because=because(movie),
                liked=movie in found,
            )
            for movie in listed.tolist()
            if movie >= 0
        ],
    )
