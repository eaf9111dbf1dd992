"""The bias-only fit on a few rows, compared with results computed by hand."""

import numpy as np
import pytest

from matinee.train.baseline import SHRINK, fit_baseline


def _columns(rows: list[tuple[int, int, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    users, movies, ratings = zip(*rows, strict=True)
    return np.array(users, np.int32), np.array(movies, np.int32), np.array(ratings, np.float32)


def test_one_movie_gives_shrunk_means_per_user() -> None:
    fitted = fit_baseline(*_columns([(0, 0, 5.0), (0, 0, 5.0), (1, 0, 1.0), (1, 0, 1.0)]), users=3, movies=2)
    assert fitted.mean == 3.0
    assert fitted.movie_bias.tolist() == [0.0, 0.0]
    np.testing.assert_allclose(fitted.user_bias, [4 / (2 + SHRINK), -4 / (2 + SHRINK), 0])


def test_unknown_codes_get_the_known_bias() -> None:
    fitted = fit_baseline(*_columns([(0, 0, 5.0), (1, 1, 2.0), (1, 0, 3.0)]), users=2, movies=2)
    nobody, known = np.array([-1, -1, 1], np.int32), np.array([-1, 0, -1], np.int32)
    expected = [fitted.mean, fitted.mean + fitted.movie_bias[0], fitted.mean + fitted.user_bias[1]]
    assert fitted.predict(nobody, known).tolist() == pytest.approx(expected, abs=0)


def test_planted_biases_are_recovered_up_to_shrinkage() -> None:
    draw = np.random.default_rng(0)
    users, movies = draw.integers(0, 50, 60_000, np.int32), draw.integers(0, 40, 60_000, np.int32)
    by_user, by_movie = draw.normal(0, 0.4, 50), draw.normal(0, 0.4, 40)
    ratings = (3 + by_user[users] + by_movie[movies]).astype(np.float32)
    predicted = fit_baseline(users, movies, ratings, users=50, movies=40).predict(users, movies)
    assert np.sqrt(np.mean((predicted - ratings) ** 2)) < 0.01
