"""The gate: whether a candidate may replace the champion, and every figure that says so.

Between evaluate and publish. A hold is a decision, not a failure: the candidate stays where it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.metrics import Codes, Floats, estimate_rmse_difference, rmse, z_score
from matinee.settings import GateSettings

Ids = NDArray[np.int64]
Ratings = NDArray[np.float32]


@dataclass(frozen=True)
class Champion:
    """The release in use, as the gate sees it: its tested weights behind two functions over columns of ids."""

    version: str
    digest: str
    predict: Callable[[Ids, Ids], Ratings]  # (user_ids, movie_ids) -> ratings, clipped
    saw: Callable[
        [Ids, Ids, Ratings], NDArray[np.bool_]
    ]  # whether it was trained on (user_id, movie_id, rating)


@dataclass(frozen=True)
class Contest:
    """Errors (prediction - rating) on all test rows; the champion's where it did not see the row, else NaN."""

    users: Codes
    movies: Codes
    candidate: Floats
    bias_only: Floats
    champion: Floats | None


@dataclass(frozen=True)
class Rule:
    """One rule's verdict, the sentence that says it, and its figures."""

    name: str
    passed: bool
    says: str
    figures: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "passed": self.passed, "says": self.says, **self.figures}


@dataclass(frozen=True)
class Decision:
    """The verdicts of all rules; one that failed holds the candidate."""

    rules: tuple[Rule, ...]

    @property
    def promoted(self) -> bool:
        return all(rule.passed for rule in self.rules)

    @property
    def reason(self) -> str:
        """One line for a person: what failed, or what was shown."""
        told = self.rules if self.promoted else [rule for rule in self.rules if not rule.passed]
        return f"{'Promoted' if self.promoted else 'Held'}: {'; '.join(rule.says for rule in told)}."


def decide(contest: Contest, settings: GateSettings) -> Decision:
    """Judge a candidate by the rules of the settings; with no champion, against bias-only alone."""
    rules = [_beats_bias_only(contest, settings)]
    if contest.champion is not None:
        rules.insert(0, _holds_against_champion(contest, contest.champion, settings))
    return Decision(tuple(rules))


def _holds_against_champion(contest: Contest, champion: Floats, settings: GateSettings) -> Rule:
    compared = ~np.isnan(champion)
    rows = int(np.count_nonzero(compared))
    if rows == 0:
        says = "the champion was trained on every row of this test part, so nothing compares the two"
        return Rule("champion", False, says, {"rows": 0})
    ours, theirs = contest.candidate[compared], champion[compared]
    difference = estimate_rmse_difference(ours, theirs, contest.users[compared], contest.movies[compared])
    upper = difference.value + z_score(two_sided=False) * difference.standard_error
    passed = upper <= settings.tolerance
    says = (
        f"RMSE {rmse(ours):.4f} against the champion's {rmse(theirs):.4f} on {rows:,} rows that neither was "
        f"trained on, a difference of {difference.value:+.4f} that is at most {upper:+.4f} with 95 % certainty "
        f"(tolerance {settings.tolerance:g})"
    )
    figures = {
        "rows": rows,
        "candidate_rmse": rmse(ours),
        "champion_rmse": rmse(theirs),
        "difference": difference.value,
        "standard_error": difference.standard_error,
        "upper_bound": upper,
        "tolerance": settings.tolerance,
    }
    return Rule("champion", passed, says, figures)


def _beats_bias_only(contest: Contest, settings: GateSettings) -> Rule:
    ours, bias_only = rmse(contest.candidate), rmse(contest.bias_only)
    passed = ours - bias_only <= settings.tolerance
    says = (
        f"RMSE {ours:.4f} against {bias_only:.4f} of bias-only "
        f"on {len(contest.candidate):,} test rows (tolerance {settings.tolerance:g})"
    )
    figures = {
        "rows": len(contest.candidate),
        "candidate_rmse": ours,
        "bias_only_rmse": bias_only,
        "difference": ours - bias_only,
        "tolerance": settings.tolerance,
    }
    return Rule("bias_only", passed, says, figures)
