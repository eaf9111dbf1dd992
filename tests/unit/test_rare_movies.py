"""Movies that a fit of a large catalog leaves out, and their rows in its model."""

import numpy as np
import pytest
from planted_tastes import SCALE, RatingColumns, fit_planted, planted_tastes

from matinee.release.ranking_model import GRADE_STEP, RankingModel, grade_codes
from matinee.release.rating_levels import to_levels
from matinee.train.ranking import rare_movies
from matinee.train.ranking.rare_movies import frequent_movies

USERS, MOVIES, FEWEST, RARE = 900, 310, 150, 60
TABLES = ("encode_rated", "encode_liked", "decode", "popularity")


@pytest.fixture
def rows() -> RatingColumns:
    """Planted ratings, of which the last movies keep one in six."""
    (users, movies, ratings), _ = planted_tastes(USERS, MOVIES)
    kept = (movies < MOVIES - RARE) | (np.arange(len(movies)) % 6 == 0)
    return users[kept], movies[kept], ratings[kept]


@pytest.fixture
def _small_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rare_movies, "FEWEST", FEWEST)


def _fit(rows: RatingColumns, **call: int) -> RankingModel:
    return fit_planted(rows, USERS, MOVIES, rank=16, penalty=100, **call)


def _features(rows: RatingColumns) -> tuple[np.ndarray, np.ndarray]:
    rated, graded = np.zeros((2, USERS, MOVIES))
    rated[rows[0], rows[1]] = 1
    graded[rows[0], rows[1]] = grade_codes(to_levels(rows[2], SCALE)) * GRADE_STEP
    return rated, graded


def test_the_most_rated_movies_are_fitted_if_users_outnumber_a_large_catalog() -> None:
    counts = np.concatenate([np.full(rare_movies.FEWEST, 100), np.full(900, 2)])
    assert list(frequent_movies(counts, users=10**6)) == list(range(rare_movies.FEWEST))
    assert len(frequent_movies(counts, users=len(counts))) == len(counts)
    assert len(frequent_movies(counts[:-900], users=10**6)) == rare_movies.FEWEST
    even = np.full(20_000, 7)
    assert len(frequent_movies(even, users=10**6)) == pytest.approx(0.95 * 20_000, abs=1)


def test_users_who_rated_rare_movies_are_described_better_and_others_as_before(
    rows: RatingColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _fit(rows)
    monkeypatch.setattr(rare_movies, "FEWEST", FEWEST)
    monkeypatch.setattr(rare_movies, "_SHARE", 0.8)
    model = _fit(rows)
    counts = np.bincount(rows[1], minlength=MOVIES)
    frequent = frequent_movies(counts, users=USERS)
    rare = np.setdiff1d(np.arange(MOVIES), frequent)
    assert len(rare) > RARE / 2
    np.testing.assert_array_equal(model.decode[rare].any(axis=1), counts[rare] > 0)
    np.testing.assert_array_equal(model.popularity, whole.popularity)
    rated, graded = _features(rows)
    target = 0.6 * rated + graded
    scores = (rated @ model.encode_rated + graded @ model.encode_liked) @ model.decode.T
    best = (rated @ whole.encode_rated + graded @ whole.encode_liked) @ whole.decode.T
    without = (
        rated[:, frequent] @ model.encode_rated[frequent] + graded[:, frequent] @ model.encode_liked[frequent]
    ) @ model.decode.T
    error, error_without, error_whole = (
        float(((each - target) ** 2).mean()) for each in (scores, without, best)
    )
    assert error < error_without
    assert error < 1.05 * error_whole
    # The order of movies for most users is that of the whole model.
    alike = [np.corrcoef(ours, theirs)[0, 1] for ours, theirs in zip(scores, best, strict=True)]
    assert np.median(alike) > 0.9


@pytest.mark.usefixtures("_small_catalog")
def test_threads_and_the_order_of_rows_change_no_bit(
    rows: RatingColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rare_movies, "_SHARE", 0.8)
    order = np.random.default_rng(3).permutation(len(rows[0]))
    first = _fit(rows, threads=1)
    second = _fit(tuple(column[order] for column in rows), threads=3)
    for name in TABLES:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
