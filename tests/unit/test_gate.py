"""The gate on pairs of models with a known outcome: equal, better, worse, uncertain, not comparable."""

from dataclasses import replace

import numpy as np
import pytest

from matinee.evaluate.gate import Decision, PairedErrors, decide, holm
from matinee.evaluate.slices import Slicing
from matinee.settings import GateSettings

ROWS = 20_000
SETTINGS = GateSettings(tolerance=0.002)


def _signs(rows: int) -> np.ndarray:
    return np.random.default_rng(0).choice([-1.0, 1.0], rows)


def _pair(candidate: float, champion: float, *, rows: int = ROWS) -> PairedErrors:
    """Errors of one size per model with mixed signs, so every RMSE is exact and every difference is certain."""
    draw, sign = np.random.default_rng(1), _signs(rows)
    return PairedErrors(
        users=draw.integers(0, 500, rows, np.int32),
        movies=draw.integers(0, 300, rows, np.int32),
        candidate=candidate * sign,
        other=champion * sign,
    )


def _decide(paired: PairedErrors | None, *, candidate: float = 0.9, bias_only: float = 1.0) -> Decision:
    sign = _signs(ROWS)
    return decide(candidate * sign, bias_only * sign, champion=paired, settings=SETTINGS)


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
def test_the_tolerance_decides_certain_differences(candidate: float, champion: float, promoted: bool) -> None:
    assert _decide(_pair(candidate, champion)).promoted is promoted


def test_without_a_champion_bias_only_decides() -> None:
    assert _decide(None, candidate=0.9).promoted
    assert _decide(None, candidate=1.0015).promoted
    held = _decide(None, candidate=1.1)
    assert not held.promoted
    assert "bias-only" in held.reason


def test_a_candidate_worse_than_bias_only_is_held() -> None:
    decision = _decide(_pair(1.1, 1.2), candidate=1.1)
    assert [rule.name for rule in decision.rules if not rule.passed] == ["bias_only"]
    assert not decision.promoted


def test_an_uncertain_improvement_is_held() -> None:
    draw = np.random.default_rng(3)
    noisy = replace(
        _pair(0.9, 0.9, rows=300), candidate=draw.normal(size=300) * 0.9, other=draw.normal(size=300)
    )
    rule = next(rule for rule in _decide(noisy).rules if rule.name == "champion")
    assert rule.figures["difference"] < 0 < SETTINGS.tolerance < rule.figures["upper_bound"]
    assert not rule.passed
    assert rule.says.endswith(f"the rows are too few to rule out a loss of more than {SETTINGS.tolerance:g}")


def test_too_few_rows_hold_any_candidate() -> None:
    decision = _decide(_pair(0.1, 0.9, rows=99))
    assert [rule.name for rule in decision.rules] == ["rows", "bias_only"]
    assert not decision.promoted
    assert "trained on every row" in _decide(_pair(0.1, 0.9, rows=0)).reason


def test_a_worse_slice_holds_a_candidate_that_is_better_overall() -> None:
    paired = _pair(0.88, 0.90)
    cold = np.arange(ROWS) < 2_000
    paired.candidate[cold] = 1.0 * _signs(ROWS)[cold]
    cut = replace(paired, slicings=(Slicing("user_rows", ("0", "1+"), (~cold).astype(np.int16)),))
    decision = _decide(cut)
    assert [rule.name for rule in decision.rules if not rule.passed] == ["slices"]
    assert "users with 0 rows (+0.1000)" in decision.reason
    off = GateSettings(tolerance=0.002, slices=False)
    assert decide(cut.candidate, cut.other + 1, champion=cut, settings=off).promoted


def test_a_small_slice_holds_no_candidate() -> None:
    paired = _pair(0.88, 0.90)
    few = np.arange(ROWS) < 900
    paired.candidate[few] = 1.0
    assert _decide(replace(paired, slicings=(Slicing("s", ("a", "b"), (~few).astype(np.int16)),))).promoted


def test_the_difference_on_ids_known_to_both_is_reported() -> None:
    paired = _pair(0.9, 0.9)
    fresh = np.arange(ROWS) < ROWS // 2
    paired.other[fresh] = 1.2
    rule = _decide(replace(paired, known=~fresh)).rules[1]
    assert rule.figures["difference"] < -0.1
    assert rule.figures["known_ids"] == {"rows": ROWS // 2, "difference": 0.0, "standard_error": 0.0}


def _against_anchor(candidate: float, anchor: float, *, rows: int = ROWS) -> Decision:
    """The decision on a candidate that is as good as the champion, with an anchor."""
    errors = 0.9 * _signs(ROWS)
    pairs = {"champion": _pair(0.9, 0.9), "anchor": _pair(candidate, anchor, rows=rows)}
    return decide(errors, errors, settings=SETTINGS, **pairs)


@pytest.mark.parametrize(("anchor", "promoted"), [(0.8965, True), (0.8955, False)])
def test_losses_can_add_up_to_twice_the_tolerance(anchor: float, promoted: bool) -> None:
    decision = _against_anchor(0.9, anchor)
    assert decision.promoted is promoted
    assert [rule.name for rule in decision.rules if not rule.passed] == ([] if promoted else ["decay"])
    assert not decision.becomes_anchor


def test_only_a_significantly_better_candidate_becomes_the_anchor() -> None:
    assert _against_anchor(0.899, 0.9).becomes_anchor
    assert not _against_anchor(0.9, 0.9).becomes_anchor
    assert _decide(None).becomes_anchor  # the first release


def test_an_anchor_that_saw_the_rows_holds_until_a_person_decides() -> None:
    decision = _against_anchor(0.5, 0.9, rows=99)
    assert [rule.name for rule in decision.rules if not rule.passed] == ["decay"]
    assert not decision.becomes_anchor


@pytest.mark.parametrize(
    ("p_values", "significant"),
    [([], 0), ([0.04], 1), ([0.01, 0.02], 2), ([0.01, 0.06], 1), ([0.03, 0.03], 0)],
)
def test_holm_by_hand(p_values: list[float], significant: int) -> None:
    assert holm(p_values, level=0.05) == significant
