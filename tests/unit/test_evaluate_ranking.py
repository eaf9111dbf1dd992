"""Ranking figures compared with scikit-learn and plain loops, including ties and seen movies."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.pairwise_accuracy import share_in_order
from matinee.evaluate.ranking import make_task, measure_orders, measure_shared_order, top


def test_ranking_figures_by_hand() -> None:
    # Movies 0 to 3 have scores 4, 3, 2, 1. User 0 saw movie 0 and liked movie 2, the second of the others.
    seen = DatedRatings.undated([0], [0], [5])
    judged = DatedRatings.undated([0, 0, 1], [2, 1, 3], [5, 1, 4])
    task = make_task(seen, judged, relevant_from=4, users=3, movies=4, most=10)
    scores = np.array([4, 3, 2, 1], np.float32)
    (found,) = measure_orders(lambda users: np.zeros((len(users), 4), np.float32), task, [scores])
    assert found.mrr == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert found.ndcg == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / 2)
    assert found.recall == 1
    assert found.coverage == 1


def test_ranking_figures_equal_scikit_learn_and_plain_loops() -> None:
    from sklearn.metrics import ndcg_score

    draw = np.random.default_rng(4)
    users, movies = 40, 60
    scores = draw.permutation(users * movies).reshape(users, movies).astype(np.float32)  # no ties
    seen_pairs = [(u, m) for u in range(users) for m in range(movies) if draw.random() < 0.2]
    liked_pairs = [(u, m) for u in range(users) for m in range(movies) if draw.random() < 0.1]
    liked_pairs = sorted(set(liked_pairs) - set(seen_pairs))
    seen, judged = (
        DatedRatings.undated([u for u, _ in pairs], [m for _, m in pairs], [5] * len(pairs))
        for pairs in (seen_pairs, liked_pairs)
    )
    task = make_task(seen, judged, relevant_from=4, users=users, movies=movies, most=100)
    (found,) = measure_orders(lambda codes: scores[codes], task, [np.zeros(movies, np.float32)])
    ndcg, recall, reciprocal, shown = [], [], [], set()
    for user in range(users):
        left = [m for m in range(movies) if (user, m) not in seen_pairs]
        liked = [m for u, m in liked_pairs if u == user]
        if not liked:
            continue
        order = sorted(left, key=lambda m: -scores[user, m])
        ndcg.append(ndcg_score([[m in liked for m in left]], [scores[user, left]], k=10))
        recall.append(len(set(order[:10]) & set(liked)) / len(liked))
        reciprocal.append(1 / (1 + min(order.index(m) for m in liked)))
        shown |= set(order[:10])
    assert found.ndcg == pytest.approx(np.mean(ndcg), abs=1e-6)
    assert found.recall == pytest.approx(np.mean(recall), abs=1e-6)
    assert found.mrr == pytest.approx(np.mean(reciprocal), abs=1e-6)
    assert found.coverage == len(shown) / movies


def test_equal_scores_keep_the_order_of_codes() -> None:
    scores = np.array([[1, 2, 1, 2, 1], [0, 0, 0, 0, 9]], np.float32)
    assert top(scores, np.zeros(5, np.float32), size=3).tolist() == [[1, 3, 0], [4, 0, 1]]
    seen, judged = DatedRatings.undated([0], [4], [5]), DatedRatings.undated([0, 0], [3, 2], [5, 5])
    task = make_task(seen, judged, relevant_from=4, users=1, movies=5, most=1)
    (found,) = measure_orders(
        lambda users: np.zeros((len(users), 5), np.float32), task, [np.zeros(5, np.float32)]
    )
    assert found.mrr == 1 / 3  # movies 0 and 1 come before 2


@settings(max_examples=60, deadline=None)
@given(
    seen=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), max_size=30),
    liked=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=1, max_size=20),
    scores=st.lists(st.sampled_from([-np.inf, -1, 0, 2, 5]), min_size=9, max_size=9),
)
def test_one_order_for_all_users_is_measured_as_equal_scores_are(
    seen: list[tuple[int, int]], liked: list[tuple[int, int]], scores: list[float]
) -> None:
    rows = (
        DatedRatings.undated(*zip(*pairs, strict=True), [5] * len(pairs)) if pairs else None
        for pairs in (seen, liked)
    )
    known, judged = (each or DatedRatings.undated([], [], []) for each in rows)
    task = make_task(known, judged, relevant_from=4, users=4, movies=9, most=4)
    order = np.array(scores, np.float32)
    (slow,) = measure_orders(lambda users: np.zeros((len(users), 9), np.float32), task, [order], deeper=(3,))
    quick = measure_shared_order(task, order, deeper=(3,))
    assert quick.lists.tolist() == slow.lists.tolist()
    assert quick.figures() == slow.figures()


def test_an_excluded_movie_is_never_listed() -> None:
    scores = np.array([[-np.inf, 1, -np.inf]], np.float32)
    assert top(scores, np.ones(3, np.float32), size=2).tolist() == [[1, -1]]
    # It is rated twice, once in the seen rows: so it is in no list and never counts as found.
    twice = DatedRatings.undated([0], [2], [5])
    task = make_task(twice, twice, relevant_from=4, users=1, movies=3, most=1)
    (found,) = measure_orders(
        lambda users: np.zeros((len(users), 3), np.float32), task, [np.zeros(3, np.float32)]
    )
    assert (found.ndcg, found.recall, found.mrr) == (0, 0, 0)


def test_users_beyond_the_limit_are_sampled_by_the_seed() -> None:
    judged = DatedRatings.undated(list(range(50)), [0] * 50, [5] * 50)
    draws = [
        make_task(judged, judged, relevant_from=4, users=50, movies=1, most=7, seed=seed).users.tolist()
        for seed in (1, 1, 2)
    ]
    assert len(draws[0]) == 7
    assert draws[0] == draws[1] != draws[2]


def _slow_share(users: np.ndarray, ratings: np.ndarray, scores: np.ndarray) -> float | None:
    shares = []
    for user in set(users.tolist()):
        rows = np.flatnonzero(users == user)
        pairs = [
            (i, j) if ratings[i] < ratings[j] else (j, i)
            for i, j in combinations(rows, 2)
            if ratings[i] != ratings[j]
        ]
        if pairs:
            shares.append(np.mean([(scores[i] < scores[j]) + (scores[i] == scores[j]) / 2 for i, j in pairs]))
    return float(np.mean(shares)) if shares else None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5), st.integers(0, 6)), max_size=60))
def test_share_in_order_equals_all_pairs(rows: list[tuple[int, int, int]]) -> None:
    users, ratings, scores = (np.array(column) for column in np.array(rows, np.int32).reshape(-1, 3).T)
    (found,) = share_in_order(users, ratings.astype(np.float32), [scores.astype(np.float64)])
    assert found.share == pytest.approx(_slow_share(users, ratings, scores), abs=1e-9)


def test_share_in_order_of_two_ratings_is_the_auc() -> None:
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(6)
    ratings, scores = draw.integers(1, 3, 200).astype(np.float32), draw.normal(size=200)
    (found,) = share_in_order(np.zeros(200, np.int32), ratings, [scores])
    assert found.share == pytest.approx(roc_auc_score(ratings == 2, scores), abs=1e-9)
