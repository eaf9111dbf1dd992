"""The promises of the intervals and of the gate, counted over many data sets with a known truth."""

from statistics import NormalDist

import numpy as np

from matinee.evaluate import metrics
from matinee.evaluate.gate import PairedErrors, decide
from matinee.settings import GateSettings

USERS, MOVIES, ROWS, DATA_SETS = 300, 200, 6_000, 400
SETTINGS = GateSettings(tolerance=0.002)


def _at_most(rate: float) -> float:
    """The highest share of DATA_SETS for a true rate, with a chance of 0.1% that it is exceeded."""
    return rate + NormalDist().inv_cdf(0.999) * np.sqrt(rate * (1 - rate) / DATA_SETS)


def _draw(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Users and movies of the rows, with long tails as in real data."""
    users = (USERS * draw.random(ROWS) ** 2).astype(np.int32)
    return users, (MOVIES * draw.random(ROWS) ** 2).astype(np.int32)


def _hanging(draw: np.random.Generator, users: np.ndarray, movies: np.ndarray) -> np.ndarray:
    """Values of mean 0 and variance 1, correlated between rows of one user and between rows of one movie."""
    parts = draw.normal(size=USERS)[users], draw.normal(size=MOVIES)[movies], draw.normal(size=ROWS)
    return np.sqrt(0.05) * parts[0] + np.sqrt(0.05) * parts[1] + np.sqrt(0.9) * parts[2]


def test_clustered_intervals_cover_the_truth_and_row_wise_intervals_do_not() -> None:
    draw = np.random.default_rng(8)
    clustered = row_wise = 0
    for _ in range(DATA_SETS):
        users, movies = _draw(draw)
        values = _hanging(draw, users, movies)
        row_wise += abs(values.mean()) < 1.96 * values.std() / np.sqrt(ROWS)
        clustered += abs(values.mean()) < 1.96 * metrics.clustered_error(values, users, movies)
    assert 1 - clustered / DATA_SETS < _at_most(0.05)
    assert row_wise / DATA_SETS < 0.7


def _promoted(worse_by: float, *, seed: int) -> float:
    """How often a candidate is promoted whose true RMSE is above the champion's by a given amount."""
    draw = np.random.default_rng(seed)
    noise = np.sqrt((1 + worse_by) ** 2 - 1)
    promoted = 0
    for _ in range(DATA_SETS):
        users, movies = _draw(draw)
        champion = _hanging(draw, users, movies)
        candidate = champion + noise * _hanging(draw, users, movies)
        paired = PairedErrors(users, movies, candidate, champion)
        promoted += decide(candidate, candidate, champion=paired, settings=SETTINGS).promoted
    return promoted / DATA_SETS


def _detectable() -> float:
    draw = np.random.default_rng(9)
    users, movies = _draw(draw)
    champion = _hanging(draw, users, movies)
    candidate = champion + 0.15 * _hanging(draw, users, movies)
    rules = decide(
        candidate, candidate, champion=PairedErrors(users, movies, candidate, champion), settings=SETTINGS
    ).rules
    return float(next(rule for rule in rules if rule.name == "champion").figures["detectable"])


def test_a_candidate_worse_than_the_tolerance_is_promoted_as_rarely_as_stated() -> None:
    assert _promoted(SETTINGS.tolerance * 1.001, seed=10) < _at_most(1 - SETTINGS.confidence)


def test_a_candidate_worse_by_twice_the_detectable_difference_is_held() -> None:
    assert _promoted(SETTINGS.tolerance + 2 * _detectable(), seed=11) < 0.2


def test_an_equal_model_is_always_promoted() -> None:
    assert _promoted(0.0, seed=12) == 1
