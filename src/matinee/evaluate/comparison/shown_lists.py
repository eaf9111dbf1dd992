"""The lists of all models for a few users, side by side, for a person to judge."""

from collections.abc import Sequence

import numpy as np

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.evaluate.comparison.common_lists import rearranged
from matinee.evaluate.comparison.common_rows import SharedTestRows
from matinee.evaluate.comparison.subjects import Subject
from matinee.evaluate.example_lists import Library, id_of
from matinee.evaluate.ranking import TOP, top
from matinee.formats.comparison import ComparedEntry, ComparedLists
from matinee.release.idmap import IdMap, parse_id
from matinee.release.liking import liked_from
from matinee.release.ranking_model import RankingModel
from matinee.release.rating_levels import to_levels
from matinee.schemas.encoded import TEXT_COLUMNS

_USERS = 5
_BEST = 5  # titles that say what a user likes


def show_lists(
    rows: SharedTestRows, subjects: Sequence[Subject], users: Sequence[str]
) -> list[ComparedLists]:
    """The first ten movies of each model, from the rows that the models know a user by.

    Args:
        rows: The rows of the comparison.
        subjects: The models.
        users: Ids of users as the call has them; if empty, users who liked a test row, spread evenly over the ids.

    Returns:
        The lists of each user; nothing if a model has no ranking model.

    Raises:
        ConfigError: A user is unknown.
    """
    chosen = _codes(rows, users) if users else _spread(rows)
    models = []
    for subject in subjects:
        ranked = subject.model.lists()
        if ranked is None:
            return []
        models.append((rearranged(ranked, rows), ranked.scale))
    return [_of_user(user, rows, models) for user in chosen]


def _spread(rows: SharedTestRows) -> list[int]:
    able = np.unique(rows.judged.users[rows.judged.ratings >= liked_from(rows.scale)])
    places = np.unique(np.linspace(0, len(able) - 1, min(_USERS, len(able))).astype(np.int64))
    return [int(user) for user in able[places]]


def _codes(rows: SharedTestRows, users: Sequence[str]) -> list[int]:
    text = TEXT_COLUMNS["user_id"]
    is_text = text in rows.users.columns
    asked = [parse_id(user, "user", is_text=is_text) for user in users]
    if is_text:
        known = {name: code for code, name in enumerate(rows.users[text].to_list())}
        codes = [known.get(user, -1) for user in asked]
    else:
        codes = IdMap(rows.users["user_id"].to_numpy()).encode(np.array(asked, np.int64)).tolist()
    if unknown := [shown(user) for user, code in zip(asked, codes, strict=True) if code < 0]:
        raise ConfigError(
            f"--user: no rows of {', '.join(unknown)} are in the data that the models are compared on. "
            "Leave out --user to see lists of five users."
        )
    return codes


def _of_user(
    user: int, rows: SharedTestRows, models: Sequence[tuple[RankingModel, tuple[float, float]]]
) -> ComparedLists:
    fitted = rows.fitted.take(np.flatnonzero(rows.fitted.users == user))
    library = Library(rows.users, rows.movies, rows.scale, liked_from(rows.scale))
    lists = []
    for model, scale in models:
        scores = model.scores(fitted.movies, to_levels(fitted.ratings, scale))[None]
        scores[0, model.popularity <= 0] = -np.inf
        scores[0, fitted.movies] = -np.inf
        listed = top(scores, np.zeros(model.movies, np.float32), size=TOP)[0].tolist()
        lists.append([movie for movie in listed if movie >= 0])
    everywhere = set.intersection(*map(set, lists))
    theirs = rows.test.take(np.flatnonzero(rows.test.users == user))
    liked = set(theirs.movies[theirs.ratings >= library.relevant_from].tolist())
    best = fitted.movies[np.lexsort((fitted.movies, -fitted.ratings))[:_BEST]].tolist()

    def entry(movie: int) -> ComparedEntry:
        return ComparedEntry(
            movie_id=id_of(rows.movies, "movie", movie),
            title=library.title(movie),
            liked=movie in liked,
            shared=movie in everywhere,
        )

    return ComparedLists(
        user_id=id_of(rows.users, "user", user),
        rated=len(fitted),
        best=[library.title(movie) for movie in best],
        lists=[[entry(movie) for movie in listed] for listed in lists],
    )
