"""Lists as rows of a table: user, rank, movie, title, score and expected rating."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matinee.recommend.lists_schema import lists_schema
from matinee.release import Release, scoring
from matinee.release.arrays import Codes, Scores
from matinee.release.idmap import Id
from matinee.release.narrowing import Narrow, Narrowing


def rows_of_codes(release: Release, users: NDArray[np.int64], best: Scores, codes: Codes) -> pa.Table:
    """The lists of some users as rows.

    Args:
        release: The release.
        users: Codes of the users.
        best: The scores of each user's list, [users, n].
        codes: The codes of its movies; a code below 0 is an empty place.

    Returns:
        One row per suggestion.
    """
    model = release.manifest.model
    if release.ranking is None and model == "dot":
        best = best + (release.weights["mean"] + release.weights["user_bias"][users])[:, None]
    place, rank = np.nonzero(codes >= 0)
    movies = codes[place, rank]
    return pa.table(
        [
            release.users.column(users[place].astype(np.int32)),
            (rank + 1).astype(np.int32),
            release.movies.column(movies),
            release.catalog.titles.take(pa.array(movies)).cast(pa.string()),
            best[place, rank].astype(np.float32),
            _expected(release, users[place].astype(np.int32), movies),
        ],
        lists_schema(release),
    )


def _expected(release: Release, users: Codes, movies: Codes) -> pa.Array:
    """The expected rating of each entry; null in a release of plays."""
    if not release.predicts:
        return pa.nulls(len(movies), pa.float32())
    expected = scoring.predict(release.weights, users, movies, model=release.manifest.model)
    return pa.array(np.clip(expected, *release.scale).astype(np.float32))


def rows_of_ids(release: Release, user_ids: Sequence[Id], top: int, *, narrowing: Narrowing) -> pa.Table:
    """The lists of users, known or unknown, as rows.

    Args:
        release: The release.
        user_ids: The users.
        top: Length of a list, at most.
        narrowing: Which movies may be listed.

    Returns:
        One row per suggestion.
    """
    schema = lists_schema(release)
    narrow = narrowing.keywords() if narrowing != Narrowing() else Narrow()
    rows = [
        (user_id, rank, *suggestion, suggestion.expected_rating)
        for user_id in user_ids
        for rank, suggestion in enumerate(release.recommend(user_id, top, **narrow), 1)
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema
    )
