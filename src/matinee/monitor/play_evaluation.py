"""The lists of a release of plays, measured on plays that it was not trained on (`matinee evaluate`)."""

import numpy as np
from pydantic import Field

from matinee.errors import DataError
from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.ranking import make_task, measure_orders, measure_shared_order
from matinee.evaluate.user_scores import score_after
from matinee.formats.base import Format
from matinee.monitor.file_rows import FileRows
from matinee.release import Release
from matinee.release.arrays import Codes
from matinee.release.item_catalog import ItemCatalog

_MOST_USERS = 50_000  # as `evaluate.ranking_users`


class PlayFigures(Format):
    """The lists of a release, measured on the users of some plays."""

    users: int = Field(description="Users of these plays whose lists were measured.")
    ndcg_at_10: float = Field(description="nDCG@10 of their lists.")
    ndcg_at_10_standard_error: float = Field(description="Its standard error over users.")
    recall_at_10: float = Field(description="Recall@10 of their lists.")
    popularity_ndcg_at_10: float = Field(description="nDCG@10 of popularity for the same users.")
    rows_of_unknown_users: int = Field(description="Plays of users that the release does not know.")
    rows_of_unknown_movies: int = Field(description="Plays of movies that it does not know.")


class PlayFileEvaluation(PlayFigures, FileRows):
    """The lists of the champion on the plays of some files."""


def measure_plays(release: Release, users: Codes, movies: Codes) -> PlayFigures:
    """Figures of a release's lists for the users of some plays, known by all of their other plays.

    Args:
        release: A release of plays, with its tested model.
        users, movies: Codes of the plays, -1 for an id that the release does not know.

    Returns:
        nDCG and recall of the lists, and nDCG of popularity.

    Raises:
        DataError: No play is of a known user and a known movie.
    """
    model, catalog = release.ranking, release.catalog
    assert model is not None  # nosec B101 # for mypy: a release of plays has nothing else
    known = (users >= 0) & (movies >= 0) & catalog.trained[movies]
    if not known.any():
        raise DataError(
            f"None of the {len(users):,} plays is of a user and a movie that {release.version} knows, so its lists "
            "cannot be measured. Give plays of users that it was trained on."
        )
    sizes = {"users": len(release.users), "movies": len(release.movies)}
    judged = DatedRatings.undated(users[known], movies[known], np.ones(known.sum()))
    seen = _other_plays(catalog, judged)
    task = make_task(seen, judged, relevant_from=1, most=_MOST_USERS, **sizes)
    listed = np.where(catalog.trained, np.float32(0), np.float32(-np.inf))
    score = score_after(seen, task, model, users=sizes["users"], scale=release.scale)
    ours = measure_orders(score, task, [listed], mrr=False)[0]
    popular = measure_shared_order(task, catalog.train_rows.astype(np.float32), mrr=False)
    figures = ours.figures()
    return PlayFigures(
        users=len(task.users),
        ndcg_at_10=figures.ndcg_at_10,
        ndcg_at_10_standard_error=figures.ndcg_at_10_standard_error,
        recall_at_10=figures.recall_at_10,
        popularity_ndcg_at_10=popular.ndcg,
        rows_of_unknown_users=int(np.count_nonzero(users < 0)),
        rows_of_unknown_movies=int(np.count_nonzero(movies < 0)),
    )


def _other_plays(catalog: ItemCatalog, judged: DatedRatings) -> DatedRatings:
    """What the release has seen of the judged users, without the judged plays."""
    chosen = np.unique(judged.users)
    seen = [np.asarray(catalog.seen(int(user))) for user in chosen]
    users, movies = np.repeat(chosen, [len(each) for each in seen]), np.concatenate(seen)
    size = len(catalog.train_rows)
    left = ~np.isin(
        users.astype(np.int64) * size + movies, judged.users.astype(np.int64) * size + judged.movies
    )
    return DatedRatings.undated(users[left], movies[left], np.ones(left.sum()))
