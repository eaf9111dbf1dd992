"""Figures of lists: longer lists, the listed movies, recent popularity, and example lists."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from matinee.evaluate import temporal_lists
from matinee.evaluate.example_lists import Library, make_examples
from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.ranking import make_task, measure_shared_order
from matinee.evaluate.recent import count_recent, order_by_recent
from matinee.evaluate.shown_movies import describe_lists
from matinee.evaluate.temporal_lists import Sizes, measure_temporal_lists
from matinee.release.ranking_model import RankingModel
from matinee.train.ranking.fit import fit_ranking


def test_longer_lists_find_more_than_ten_movies_do() -> None:
    # One user liked the movies in places 1, 15 and 50.
    judged = DatedRatings.undated([0, 0, 0], [0, 14, 49], [5, 5, 5])
    task = make_task(DatedRatings.undated([], [], []), judged, relevant_from=4, users=1, movies=200, most=1)
    order = -np.arange(200, dtype=np.float32)
    found = measure_shared_order(task, order, deeper=(20, 100))
    figures, gains = found.figures(), 1 / np.log2(np.array([2, 16, 51]))
    ideal = (1 / np.log2(np.array([2, 3, 4]))).sum()
    assert (figures.recall_at_10, figures.recall_at_20, figures.recall_at_100) == (1 / 3, 2 / 3, 1)
    assert figures.ndcg_at_10 == pytest.approx(gains[:1].sum() / ideal)
    assert figures.ndcg_at_20 == pytest.approx(gains[:2].sum() / ideal)
    assert figures.ndcg_at_100 == pytest.approx(gains.sum() / ideal)
    assert found.lists.tolist() == [list(range(10))]


def test_lists_are_described_by_popularity_and_similarity() -> None:
    rows = np.arange(20)[::-1] * 10  # movie 0 has 190 train rows, movie 19 none
    vectors = np.zeros((20, 2), np.float32)
    vectors[[0, 1]], vectors[[2, 19]] = (3, 0), (0, 1)
    lists = np.array([[0, 1, -1], [0, 2, 19]], np.int32)
    found = describe_lists(lists, train_rows=rows, vectors=vectors)
    assert found.mean_train_rows == pytest.approx((190 + 180 + 190 + 170 + 0) / 5)
    assert found.share_by_decile == pytest.approx([3 / 5, 1 / 5, 0, 0, 0, 0, 0, 0, 0, 1 / 5])
    assert found.similarity == pytest.approx((1 + 1 / 3) / 2)


def test_recent_popularity_counts_thirty_days() -> None:
    days = [date(2020, 3, 1), date(2020, 3, 1), date(2020, 3, 31), None, date(2020, 3, 2)]
    rows = pl.LazyFrame({"movie_code": [0, 0, 1, 2, 3], "date": days}, schema_overrides={"date": pl.Date})
    found = count_recent(rows, movies=5)
    assert found is not None
    assert found.tolist() == [0, 1, 0, 1, 0]
    assert count_recent(rows.filter(pl.col("date").is_null()), movies=5) is None
    assert np.argsort(-order_by_recent(found, np.array([2, 1, 1, 9, 0])), kind="stable").tolist() == [
        3,
        1,
        0,
        2,
        4,
    ]


def test_lists_of_older_ratings_are_measured_on_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two tastes, even and odd movies. Later, every user likes one more movie of their taste. User 40 is new.
    draw = np.random.default_rng(0)
    pairs = [(user, movie) for user in range(40) for movie in range(user % 2, 30, 2)]
    later = [
        pairs.pop(int(draw.choice([i for i, pair in enumerate(pairs) if pair[0] == user])))
        for user in range(40)
    ]
    past, test = (
        DatedRatings.undated([u for u, _ in rows], [m for _, m in rows], [5] * len(rows))
        for rows in (pairs, [*later, (40, 3)])
    )
    recent = np.bincount(past.movies, minlength=30)
    user_codes: list[int] = []  # by fit, which chooses the cheaper side by their number

    def fit(*columns: np.ndarray, users: int, **how: Any) -> RankingModel:
        user_codes.append(users)
        return fit_ranking(*columns, users=users, **how)

    monkeypatch.setattr(temporal_lists, "fit_ranking", fit)
    for most, fitted in ((50, 40), (20, 20)):
        found = measure_temporal_lists(
            past, test, recent, sizes=Sizes(41, 30), scale=(1.0, 5.0), most_fitted=most
        )
        assert found is not None
        assert (found.users, found.users_fitted, found.users_without_rows) == (41, fitted, 1)
        assert found.ndcg_at_10 > 0.9 > found.popularity_ndcg_at_10
    assert user_codes == [41, 20]


def test_examples_have_the_reason_and_the_hits() -> None:
    # Users who rated movie m are shown m + 1.
    movies, eye = 12, np.eye(12, dtype=np.float32)
    model = RankingModel(eye, np.zeros_like(eye), eye[(np.arange(12) - 1) % 12], np.ones(12, np.float32))
    titles = [None, *(f"Film {movie}" for movie in range(1, 12))]
    library = Library(
        users=pl.DataFrame({"user_id": np.arange(30) * 7}),
        movies=pl.DataFrame({"movie_id": np.arange(12) + 100, "title": titles}),
        scale=(1.0, 5.0),
        relevant_from=4.0,
    )
    everyone = np.arange(30)
    seen = DatedRatings.undated(everyone.tolist(), (everyone % movies).tolist(), [5] * 30)
    test = DatedRatings.undated(everyone.tolist(), ((everyone + 1) % movies).tolist(), [5] * 29 + [1])
    found = make_examples(model, seen, test, library)
    assert len(found.users) == 10
    assert [found.users[0].user_id, found.users[-1].user_id] == [0, 28 * 7]  # user 29 liked nothing
    first = found.users[0]
    assert (first.rated, first.best) == (1, ["movie 100"])
    assert first.listed[0].model_dump() == {
        "title": "Film 1",
        "train_rows": 3,  # users 1, 13 and 25
        "because": "movie 100",
        "liked": True,
    }
    assert not any(movie.liked for movie in first.listed[1:])
    assert make_examples(model, seen, test, library) == found
