"""The gate of plays: lists alone decide."""

import numpy as np
import pytest

from matinee.evaluate.paired_lists import PairedLists
from matinee.evaluate.play_gate import decide_on_plays
from matinee.formats.metrics import Ranking, RankingFigures
from matinee.settings import GateSettings


def _ranking(ndcg: float, popularity: float) -> Ranking:
    figures = [
        RankingFigures(ndcg_at_10=value, recall_at_10=0, mrr=0, coverage_at_10=0, ndcg_at_10_standard_error=0)
        for value in (ndcg, popularity)
    ]
    return Ranking(
        says="", relevant_from=1, top=10, catalogue=5, users=200, users_with_relevant_rows=200, popularity_weight=0,
        recommend=figures[0], expected_rating=None, popularity=figures[1],
    )  # fmt: skip


def _paired(difference: float, *, users: int = 200) -> PairedLists:
    """Lists whose nDCG@10 differ by about as much for every user."""
    theirs = np.full(users, 0.3)
    return PairedLists(theirs + difference + np.tile([0.001, -0.001], users // 2), theirs)


@pytest.mark.parametrize(
    ("ndcg", "unseen", "champion", "anchor", "fails"),
    [
        (0.30, None, None, None, []),
        (0.19, None, None, None, ["popularity"]),
        (0.30, 500, _paired(-0.004), _paired(-0.009), []),
        (0.30, 500, _paired(-0.006), None, ["lists"]),
        (0.30, 500, _paired(-0.004), _paired(-0.011), ["lists_decay"]),
        (0.30, 99, _paired(0.1), None, ["rows"]),
        (0.30, 500, _paired(0.1, users=8), None, ["lists"]),
        (0.30, 500, PairedLists.without_champion_lists(), None, ["lists"]),
    ],
)
def test_lists_alone_decide(
    ndcg: float,
    unseen: int | None,
    champion: PairedLists | None,
    anchor: PairedLists | None,
    fails: list[str],
) -> None:
    decision = decide_on_plays(
        _ranking(ndcg, 0.2), settings=GateSettings(), unseen=unseen, champion=champion, anchor=anchor
    )
    assert [rule.name for rule in decision.rules if not rule.passed] == fails
    assert decision.promoted == (not fails)


def test_a_candidate_becomes_the_anchor_when_its_lists_are_better_beyond_doubt() -> None:
    for difference, becomes in ((0.01, True), (0.0, False)):
        paired = _paired(difference)
        decision = decide_on_plays(
            _ranking(0.3, 0.2), settings=GateSettings(), unseen=500, champion=paired, anchor=paired
        )
        assert decision.becomes_anchor == becomes
