"""Drift on data with a known change: ordinary nights pass, and a broken feed is held."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from matinee.evaluate.drift import DataSummary, Drift, RowCounts, add_up, compare
from matinee.evaluate.gate import decide
from matinee.formats.decision import Verdict
from matinee.settings import GateSettings

ROWS, USERS, MOVIES = 50_000, 1_000, 400
SETTINGS = GateSettings()


@pytest.fixture
def data() -> np.ndarray:
    """Rows of (user_id, movie_id, rating) with long-tailed users and movies, and mostly high ratings."""
    draw = np.random.default_rng(2)
    users = 10 + (USERS * draw.random(ROWS) ** 2).astype(int)
    movies = 10 + (MOVIES * draw.random(ROWS) ** 3).astype(int)
    return np.column_stack([users, movies, draw.choice([1, 2, 3, 4, 5], ROWS, p=[0.05, 0.1, 0.3, 0.35, 0.2])])


def _portrait(rows: np.ndarray) -> DataSummary:
    values, counts = np.unique(rows[:, 2], return_counts=True)
    sides = [RowCounts.of(*np.unique(rows[:, side], return_counts=True)) for side in (0, 1)]
    return DataSummary(dict(zip(values.tolist(), counts.tolist(), strict=True)), *sides)


def _judge(now: np.ndarray, before: np.ndarray, past: tuple[dict[str, float], ...] = ()) -> Verdict:
    good, bad = np.full(10, 0.5), np.full(10, 1.0)
    drift = Drift(compare(_portrait(now), _portrait(before)), past)
    decision = decide(good, bad, champion=None, drift=drift, settings=SETTINGS)
    return next(rule for rule in decision.rules if rule.name == "drift")


def test_the_same_data_has_no_drift(data: np.ndarray) -> None:
    figures = compare(_portrait(data), _portrait(data))
    assert figures == {"psi": 0, "psi_new": 0, "new_users": 0, "new_movies": 0, "lost": 0, "growth": 0}


def test_thirty_nights_of_one_percent_growth_are_never_held(data: np.ndarray) -> None:
    past: tuple[dict[str, float], ...] = ()
    ends = (len(data) * 1.01 ** np.arange(-30, 1)).astype(int)
    for before, now in pairwise(ends):
        rule = _judge(data[:now], data[:before], past)
        assert rule.passed, rule.says
        past = Drift(compare(_portrait(data[:now]), _portrait(data[:before])), past).remembered
        past = tuple(past)
    assert len(past) == 10
    # If the service did not run for these thirty nights, the added rows are not drift either.
    assert _judge(data, data[: ends[0]], past).passed


def _flip(rows: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.column_stack([rows[:, :2], 6 - rows[:, 2]])


def _lose_half(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return rows[draw.random(len(rows)) < 0.5]


def _shift_ids(rows: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return rows + np.array([10 * USERS, 0, 0])


def _deal_ids_anew(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The same set of ids, assigned to other movies."""
    ids = np.unique(rows[:, 1])
    return np.column_stack([rows[:, 0], draw.permutation(ids)[np.searchsorted(ids, rows[:, 1])], rows[:, 2]])


def _deliver_twice(rows: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.concatenate([rows, _shift_ids(rows, _)])


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (_flip, "PSI of the ratings"),
        (_lose_half, "rows are missing"),
        (_shift_ids, "users absent from the champion's data"),
        (_deal_ids_anew, "rows are missing"),
        (_deliver_twice, "users absent from the champion's data"),
    ],
)
def test_a_broken_feed_is_held_and_named(data: np.ndarray, breaks: object, says: str) -> None:
    rule = _judge(breaks(data, np.random.default_rng(3)), data)  # type: ignore[operator]
    assert not rule.passed
    assert says in rule.says
    assert all(
        f"{name}_limit" in rule.figures for name in ("psi", "new_users", "new_movies", "lost", "growth")
    )


def test_one_wrong_night_is_detected_in_a_large_store(data: np.ndarray) -> None:
    before, new = data[:-1_500], data[-1_500:]
    assert _judge(data, before).passed
    wrong = np.concatenate([before, _flip(new, np.random.default_rng(4))])
    rule = _judge(wrong, before)
    assert rule.figures["psi"] < SETTINGS.drift_psi / 10 < SETTINGS.drift_psi_new < rule.figures["psi_new"]
    assert not rule.passed
    assert "PSI of the new ratings" in rule.says
    # psi_new is 0 for replaced data and for a few added rows.
    assert compare(_portrait(wrong[10_000:]), _portrait(before))["psi_new"] == 0
    assert compare(_portrait(wrong[:-600]), _portrait(before))["psi_new"] == 0


def test_a_figure_missing_from_earlier_releases_keeps_its_setting() -> None:
    past = tuple({name: value for name, value in each.items() if name != "psi_new"} for each in _past())
    limits = Drift(past[0], past).limits(SETTINGS)
    assert (limits["psi_new"], limits["psi"]) == (SETTINGS.drift_psi_new, SETTINGS.drift_psi / 2)


def _past(**figures: list[float]) -> tuple[dict[str, float], ...]:
    names = ("psi", "psi_new", "new_users", "new_movies", "lost", "growth")
    return tuple({name: figures.get(name, [0.0] * 9)[night] for name in names} for night in range(9))


def test_a_limit_follows_the_last_datasets_once_there_are_enough() -> None:
    quiet, restless = _past(), _past(psi=[0.3, 0.31, 0.29, 0.3, 0.32, 0.28, 0.3, 0.3, 0.31])
    drift = Drift(quiet[0], quiet[:4])
    assert drift.limits(SETTINGS)["psi"] == SETTINGS.drift_psi
    assert replace(drift, past=quiet).limits(SETTINGS)["psi"] == SETTINGS.drift_psi / 2
    assert replace(drift, past=restless).limits(SETTINGS)["psi"] == pytest.approx(0.3 + 4 * 1.4826 * 0.01)


def test_one_night_promoted_by_hand_does_not_widen_the_limits() -> None:
    lost = _past(lost=[0.0] * 8 + [0.6])
    assert Drift(lost[0], lost).limits(SETTINGS)["lost"] == SETTINGS.drift_lost / 2


def test_psi_by_hand() -> None:
    some = RowCounts(np.arange(2), np.array([50, 50]))
    now, before = (DataSummary(ratings, some, some) for ratings in ({1.0: 90, 5.0: 10}, {1.0: 50, 5.0: 50}))
    p, q = np.array([90.5, 10.5]) / 101, np.array([50.5, 50.5]) / 101
    assert compare(now, before)["psi"] == pytest.approx(np.sum((p - q) * np.log(p / q)))


def test_rows_by_rating_add_up_over_the_subsets() -> None:
    assert add_up({"train": {"1.0": 3, "5.0": 2}, "test": {"5.0": 1}}) == {1.0: 3, 5.0: 3}
