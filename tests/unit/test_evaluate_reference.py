"""Ranking figures compared with ir-measures (the C code of trec_eval) on generated tasks."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ir_measures import RR, R, calc_aggregate, nDCG

from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.ranking import make_task, measure_orders


def _rows(pairs: np.ndarray) -> DatedRatings:
    users, movies = np.nonzero(pairs)
    return DatedRatings.undated(users, movies, np.full(len(users), 5))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    users=st.integers(1, 30),
    movies=st.integers(2, 60),
    share=st.floats(0.02, 0.6),
)
def test_ranking_equals_trec_eval(seed: int, users: int, movies: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.permutation(users * movies).reshape(users, movies).astype(np.float32)  # all are different
    seen = draw.random((users, movies)) < share / 2
    liked = (draw.random((users, movies)) < share) & ~seen
    liked[0, seen[0].argmin()] |= not seen[0].all()  # so at least one user has a list
    assume(liked.any())
    task = make_task(_rows(seen), _rows(liked), relevant_from=4, users=users, movies=movies, most=users)
    (found,) = measure_orders(lambda codes: scores[codes], task, [np.zeros(movies, np.float32)])
    truth = {str(user): {str(movie): 1 for movie in np.flatnonzero(liked[user])} for user in task.users}
    run = {
        str(user): {str(movie): float(scores[user, movie]) for movie in np.flatnonzero(~seen[user])}
        for user in task.users
    }
    expected = calc_aggregate([nDCG @ 10, R @ 10, RR], truth, run)
    assert found.ndcg == pytest.approx(expected[nDCG @ 10], abs=1e-6)
    assert found.recall == pytest.approx(expected[R @ 10], abs=1e-6)
    assert found.mrr == pytest.approx(expected[RR], abs=1e-6)
