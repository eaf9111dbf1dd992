"""The steps of SGD by row: they fall with the number of ratings, where a table has a number from which they fall."""

import numpy as np
import pytest

from matinee.train.row_steps import row_steps


@pytest.mark.parametrize(
    ("name", "half"), [("movie_factors", 900.0), ("movie_bias", 900.0), ("user_bias", 90.0)]
)
def test_steps_fall_with_the_square_root_of_ratings(name: str, half: float) -> None:
    found = row_steps(name, np.array([0, half, 5 * half], np.float64))
    np.testing.assert_allclose(found, [1, 1 / 2, 1 / 4])


def test_vectors_of_users_take_whole_steps_and_types_stay() -> None:
    found = row_steps("user_factors", np.array([0, 10_000], np.float32))
    assert (found.tolist(), found.dtype) == ([1, 1], np.float32)
