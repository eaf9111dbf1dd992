"""Figures compared with values computed by hand and with scikit-learn; the clustered error, with plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.evaluate import metrics


def _codes(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def test_rmse_and_mae_by_hand() -> None:
    errors = np.array([3.0, -4.0])
    assert metrics.rmse(errors) == pytest.approx(np.sqrt(12.5))
    assert metrics.mae(errors) == 3.5


@given(st.lists(st.tuples(st.floats(1, 5), st.floats(1, 5)), min_size=1, max_size=50))
def test_rmse_and_mae_equal_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    truth, predicted = np.array(pairs).T
    errors = predicted - truth
    assert metrics.rmse(errors) == pytest.approx(root_mean_squared_error(truth, predicted), abs=1e-6)
    assert metrics.mae(errors) == pytest.approx(mean_absolute_error(truth, predicted), abs=1e-6)


def test_mean_over_users_counts_each_user_once() -> None:
    errors = np.array([1.0, 1.0, 1.0, 3.0])
    assert metrics.mean_over_users(errors, _codes(0, 0, 0, 4)) == (2.0, 2.0)


def test_clustered_error_equals_plain_loops() -> None:
    draw = np.random.default_rng(1)
    users, movies = draw.integers(0, 9, 200, np.int32), draw.integers(0, 5, 200, np.int32)
    values = draw.normal(size=9)[users] + draw.normal(size=5)[movies] + draw.normal(size=200)
    centred = values - values.mean()

    def between(codes: np.ndarray, clusters: int) -> float:
        return clusters / (clusters - 1) * sum(centred[codes == code].sum() ** 2 for code in range(clusters))

    variance = (between(users, 9) + between(movies, 5) - (centred**2).sum()) / 200**2
    assert metrics.clustered_error(values, users, movies) == pytest.approx(np.sqrt(variance))


def test_clustered_error_is_wider_for_correlated_rows() -> None:
    effect = np.repeat([0.0, 1.0, 2.0, 3.0], 50)
    users, movies = np.repeat(_codes(0, 1, 2, 3), 50), np.arange(200, dtype=np.int32)
    assert metrics.clustered_error(effect, users, movies) > 6 * effect.std() / np.sqrt(200)


def test_a_single_row_has_no_error_bar() -> None:
    assert metrics.clustered_error(np.array([2.0]), _codes(0), _codes(0)) == 0


def test_a_paired_difference_cancels_shared_errors() -> None:
    draw = np.random.default_rng(2)
    users, movies = draw.integers(0, 50, 2000, np.int32), draw.integers(0, 50, 2000, np.int32)
    hard = draw.normal(size=2000)
    difference = metrics.estimate_rmse_difference(hard * 1.01, hard, users, movies)
    alone = metrics.estimate_rmse(hard, users, movies)
    assert difference.value == pytest.approx(0.01 * metrics.rmse(hard))
    assert difference.standard_error < 0.02 * alone.standard_error


def test_rmse_influence_is_the_derivative_of_the_rmse() -> None:
    errors = np.array([0.5, -1.0, 2.0])
    # Give row 0 a little more weight than the others and measure the change of the RMSE.
    step, weights = 1e-6, np.array([1 + 1e-6, 1, 1])
    moved = np.sqrt(np.average(errors**2, weights=weights))
    slope = (moved - metrics.rmse(errors)) / (step / 3)
    assert slope == pytest.approx(metrics.rmse_influence(errors)[0], rel=1e-4)
