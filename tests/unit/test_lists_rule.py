"""The gate's rule on lists: only worse lists are held, and both models rank for the same users."""

import re
from dataclasses import replace

import numpy as np
import pytest

from matinee.evaluate.gate import PairedErrors, decide
from matinee.evaluate.lists_rule import judge_lists
from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.paired_lists import ListRows, PairedLists, RankedModel, pair_lists
from matinee.release.ranking_model import RankingModel
from matinee.settings import GateSettings

SETTINGS = GateSettings()
USERS, MOVIES = 150, 40


def _lists(loss: float, *, users: int = 2_000, noise: float = 0.05) -> PairedLists:
    draw = np.random.default_rng(0)
    champion = draw.uniform(0.2, 0.5, users)
    return PairedLists(champion - loss + draw.normal(0, noise, users), champion)


@pytest.mark.parametrize(
    ("lists", "passed", "judged"),
    [
        (_lists(0.02), False, True),
        (_lists(0.0), True, True),
        (_lists(-0.02), True, True),
        (_lists(0.004, noise=0.001), True, True),  # certainly worse, but within the tolerance
        (_lists(0.02, users=100, noise=0.5), True, True),  # looks worse, but is uncertain
        (_lists(0.5, users=99), True, False),
        (PairedLists.without_champion_lists(), True, False),
    ],
)
def test_only_significantly_worse_lists_hold_a_candidate(
    lists: PairedLists, passed: bool, judged: bool
) -> None:
    verdict = judge_lists(lists, SETTINGS)
    assert (verdict.passed, verdict.judged) == (passed, judged)
    assert judged == ("not judged" not in verdict.says)


def test_small_differences_are_not_printed_as_zero() -> None:
    says = judge_lists(_lists(0.000004, noise=0.0001), SETTINGS).says
    assert not re.search(r"[-+]0\.0+\b", says), says


def test_worse_lists_hold_a_candidate_with_a_better_rmse() -> None:
    sign = np.random.default_rng(0).choice([-1.0, 1.0], 2_000)
    rows = np.arange(2_000, dtype=np.int32)
    paired = PairedErrors(rows % 200, rows % 100, 0.8 * sign, 0.9 * sign)
    decision = decide(0.8 * sign, 0.95 * sign, champion=paired, settings=SETTINGS, lists=_lists(0.02))
    assert [rule.name for rule in decision.rules if not rule.passed] == ["lists"]
    assert "nDCG@10" in decision.reason


def _model(likes: np.ndarray) -> RankedModel:
    """Users who rated movie m are shown the movies likes[m]."""
    eye = np.eye(MOVIES, dtype=np.float32)
    tables = {"encode_rated": eye, "encode_liked": np.zeros_like(eye), "decode": eye[likes]}
    model = RankingModel(**tables, popularity=np.ones(MOVIES, np.float32))
    return RankedModel(model, np.arange(MOVIES, dtype=np.int64) * 10, (1.0, 5.0))


def _rows(movies: np.ndarray) -> DatedRatings:
    return DatedRatings.undated(np.arange(USERS), movies, np.full(USERS, 5))


def test_both_models_rank_for_the_same_users_with_the_same_rows() -> None:
    seen = np.arange(USERS) % MOVIES
    following = (np.arange(MOVIES) - 1) % MOVIES  # for movie m + 1 it shows the neighbour of m
    good, bad = _model(following), _model(np.arange(MOVIES))
    rows = ListRows(
        seen=_rows(seen),
        judged=_rows((seen + 1) % MOVIES),
        hidden=_rows(seen).take(np.zeros(0, np.intp)),
        users=USERS,
        relevant_from=4,
        most_users=1_000,
    )
    found = pair_lists(good, bad, rows)
    assert found.candidate.tolist() == [1.0] * USERS
    assert found.champion.mean() < 0.3
    # The same tables with other codes, and two other movies instead of movie 0: the lists are the same.
    codes = np.r_[3, 7, 1:MOVIES]
    tables = {name: table[codes] for name, table in vars(good.model).items()}
    other = replace(good, model=RankingModel(**tables), movie_ids=np.r_[1, 5, good.movie_ids[1:]])
    found = pair_lists(good, other, rows)
    assert found.candidate.tolist() == found.champion.tolist()
    assert len(found.candidate) < USERS  # movie 0 is no longer relevant for any user
    # Train rows of either model are in no list.
    hidden = replace(rows, hidden=rows.judged)
    assert pair_lists(good, bad, hidden).candidate.tolist() == [0.0] * USERS
