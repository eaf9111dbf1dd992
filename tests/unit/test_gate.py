"""The gate on contests whose outcome is known: equal, better, worse, too uncertain, nothing to compare."""

import numpy as np
import pytest

from matinee.evaluate.gate import Contest, decide
from matinee.settings import GateSettings

ROWS = 20_000
SETTINGS = GateSettings(tolerance=0.002)


def _contest(
    candidate: float, champion: float | None, *, bias_only: float = 1.0, rows: int = ROWS
) -> Contest:
    """Errors of one size each, their signs mixed, so that every RMSE is exact and every difference certain."""
    draw = np.random.default_rng(0)
    sign = draw.choice([-1.0, 1.0], rows)
    return Contest(
        users=draw.integers(0, 500, rows, np.int32),
        movies=draw.integers(0, 300, rows, np.int32),
        candidate=candidate * sign,
        bias_only=bias_only * sign,
        champion=None if champion is None else champion * sign,
    )


@pytest.mark.parametrize(
    ("candidate", "champion", "promoted"),
    [
        (0.90, 0.92, True),
        (0.90, 0.90, True),
        (0.9015, 0.90, True),
        (0.9025, 0.90, False),
        (0.95, 0.90, False),
    ],
)
def test_tolerance_decides_where_there_is_no_doubt(candidate: float, champion: float, promoted: bool) -> None:
    assert decide(_contest(candidate, champion), SETTINGS).promoted is promoted


def test_without_a_champion_bias_only_decides() -> None:
    assert decide(_contest(0.9, None), SETTINGS).promoted
    assert decide(_contest(1.0015, None), SETTINGS).promoted
    held = decide(_contest(1.1, None), SETTINGS)
    assert not held.promoted
    assert "bias-only" in held.reason


def test_better_than_the_champion_and_worse_than_bias_only_is_held() -> None:
    decision = decide(_contest(1.1, 1.2), SETTINGS)
    assert [(rule.name, rule.passed) for rule in decision.rules] == [("champion", True), ("bias_only", False)]
    assert not decision.promoted


def test_doubt_holds_a_candidate_that_looks_equal() -> None:
    draw = np.random.default_rng(3)
    contest = _contest(0.9, 0.9, rows=300)
    noisy = Contest(
        users=contest.users,
        movies=contest.movies,
        candidate=draw.normal(size=300) * 0.9,
        bias_only=contest.bias_only * 2,
        champion=draw.normal(size=300),
    )
    rule = decide(noisy, SETTINGS).rules[0]
    assert rule.figures["difference"] < 0 < SETTINGS.tolerance < rule.figures["upper_bound"]
    assert not rule.passed


def test_rows_that_the_champion_saw_do_not_count() -> None:
    contest = _contest(0.9, 0.5)
    assert contest.champion is not None
    contest.champion[:] = np.where(np.arange(ROWS) < ROWS // 2, np.nan, 0.9)
    contest.candidate[: ROWS // 2] = 0.9
    decision = decide(contest, SETTINGS)
    assert decision.promoted
    assert decision.rules[0].figures["rows"] == ROWS // 2


def test_nothing_to_compare_holds_and_says_so() -> None:
    contest = _contest(0.9, 0.9)
    assert contest.champion is not None
    contest.champion[:] = np.nan
    decision = decide(contest, SETTINGS)
    assert not decision.promoted
    assert "trained on every row" in decision.reason
