"""The gate: whether a candidate may replace the champion, and every figure that says so.

Between evaluate and publish. A hold is a decision, not a failure: the candidate stays where it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.drift import Drift, Portrait
from matinee.evaluate.metrics import (
    Codes,
    Estimate,
    Floats,
    count_clusters,
    estimate_rmse_difference,
    rmse,
)
from matinee.evaluate.slices import Slicing
from matinee.settings import GateSettings

Ids = NDArray[np.int64]
Ratings = NDArray[np.float32]

# A clustered standard error from fewer users or movies than this is too small to test with.
_MIN_CLUSTERS = 10
_POWER = 0.8


@dataclass(frozen=True)
class Champion:
    """The release in use, as the gate sees it: its tested weights behind functions over columns of ids."""

    version: str
    digest: str
    predict: Callable[[Ids, Ids], Ratings]  # (user_ids, movie_ids) -> ratings, clipped
    saw: Callable[
        [Ids, Ids, Ratings], NDArray[np.bool_]
    ]  # whether it was trained on (user_id, movie_id, rating)
    # Whether it knows both ids of (user_ids, movie_ids); without it, figures on known ids are left out.
    knows: Callable[[Ids, Ids], NDArray[np.bool_]] | None = None
    # What its data looks like; without it drift can't be told.
    portrait: Callable[[], Portrait | None] | None = None


@dataclass(frozen=True)
class Contest:
    """Errors (prediction - rating) on the same rows, that neither side was trained on, and how to cut them.

    `known` tells the rows whose user and movie both sides know; None where that can't be told.
    """

    users: Codes
    movies: Codes
    candidate: Floats
    champion: Floats
    slicings: tuple[Slicing, ...] = ()
    known: NDArray[np.bool_] | None = None

    def difference(self, rows: NDArray[Any] | slice = slice(None)) -> Estimate:
        """RMSE(candidate) - RMSE(champion), on some of the rows."""
        return estimate_rmse_difference(
            self.candidate[rows], self.champion[rows], self.users[rows], self.movies[rows]
        )


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
    becomes_anchor: bool  # once it is released: what comes after it is held against it from then on

    @property
    def promoted(self) -> bool:
        return all(rule.passed for rule in self.rules)

    @property
    def reason(self) -> str:
        """One line for a person: what failed, or what was shown."""
        failed = [rule for rule in self.rules if not rule.passed]
        told = failed or [rule for rule in self.rules if rule.name in ("champion", "bias_only")]
        return f"{'Promoted' if self.promoted else 'Held'}: {'; '.join(rule.says for rule in told)}."


def decide(
    candidate: Floats,
    bias_only: Floats,
    *,
    contest: Contest | None,
    settings: GateSettings,
    anchor: Contest | None = None,
    drift: Drift | None = None,
) -> Decision:
    """Judge a candidate: against bias-only always, against champion, anchor and earlier data where there are some.

    `candidate` and `bias_only` are the errors on all test rows. With too few rows to compare, the rules that
    would compare are left out and the candidate is held.
    """
    rules = [_beats_bias_only(candidate, bias_only, settings)]
    if contest is not None:
        rules.insert(0, _has_enough_rows(contest, settings))
        if rules[0].passed:
            rules.insert(1, _holds_against_champion(contest, settings))
            if settings.slices:
                rules.append(_no_slice_got_worse(contest, settings))
    if anchor is not None and settings.decay:
        rules.append(_has_not_decayed(anchor, settings))
    if drift is not None and settings.drift:
        rules.append(_data_is_as_before(drift, settings))
    return Decision(tuple(rules), becomes_anchor=_is_best_so_far(anchor, settings))


def _has_enough_rows(contest: Contest, settings: GateSettings) -> Rule:
    rows = len(contest.candidate)
    says = f"{rows:,} test rows that neither side was trained on, {settings.min_rows:,} needed"
    if rows == 0:
        says = "the champion was trained on every row of this test part, so nothing compares the two"
    return Rule("rows", rows >= settings.min_rows, says, {"rows": rows, "min_rows": settings.min_rows})


def _holds_against_champion(contest: Contest, settings: GateSettings) -> Rule:
    ours, theirs = rmse(contest.candidate), rmse(contest.champion)
    difference = contest.difference()
    upper = _upper_bound(difference, settings)
    says = (
        f"RMSE {ours:.4f} against the champion's {theirs:.4f} on {len(contest.candidate):,} rows that neither was "
        f"trained on, a difference of {difference.value:+.4f} that is at most {upper:+.4f} "
        f"with {settings.confidence:.0%} certainty (tolerance {settings.tolerance:g})"
    )
    figures = {
        "rows": len(contest.candidate),
        "candidate_rmse": ours,
        "champion_rmse": theirs,
        "difference": difference.value,
        "standard_error": difference.standard_error,
        "upper_bound": upper,
        "confidence": settings.confidence,
        "tolerance": settings.tolerance,
        # The smallest true difference that these rows show to be there this often.
        "detectable": (_z(settings) + NormalDist().inv_cdf(_POWER)) * difference.standard_error,
        "power": _POWER,
        "known_ids": _on_known_ids(contest),
    }
    return Rule("champion", upper <= settings.tolerance, says, figures)


def _z(settings: GateSettings) -> float:
    return NormalDist().inv_cdf(settings.confidence)


def _upper_bound(difference: Estimate, settings: GateSettings) -> float:
    return difference.value + _z(settings) * difference.standard_error


def _on_known_ids(contest: Contest) -> dict[str, Any] | None:
    """The same difference without fresh users and movies: what is left is not about who knows more ids."""
    if contest.known is None or not contest.known.any():
        return None
    difference = contest.difference(contest.known)
    return {
        "rows": int(np.count_nonzero(contest.known)),
        "difference": difference.value,
        "standard_error": difference.standard_error,
    }


def _beats_bias_only(candidate: Floats, bias_only: Floats, settings: GateSettings) -> Rule:
    ours, theirs = rmse(candidate), rmse(bias_only)
    says = f"RMSE {ours:.4f} against {theirs:.4f} of bias-only (tolerance {settings.tolerance:g})"
    figures = {
        "rows": len(candidate),
        "candidate_rmse": ours,
        "bias_only_rmse": theirs,
        "difference": ours - theirs,
        "tolerance": settings.tolerance,
    }
    return Rule("bias_only", ours - theirs <= settings.tolerance, says, figures)


def _no_slice_got_worse(contest: Contest, settings: GateSettings) -> Rule:
    """One test a slice that is large enough, all of them together at the gate's level by Holm's correction."""
    tested: list[dict[str, Any]] = []
    for slicing in contest.slicings:
        for label, rows in slicing:
            if len(rows) >= settings.slice_min_rows and _clusters(contest, rows) >= _MIN_CLUSTERS:
                difference = contest.difference(rows)
                excess = (difference.value - settings.tolerance) / (difference.standard_error or 1e-12)
                tested.append(
                    {
                        "slicing": slicing.name,
                        "slice": label,
                        "rows": len(rows),
                        "difference": difference.value,
                        "standard_error": difference.standard_error,
                        "p": NormalDist().cdf(-excess),
                    }
                )
    tested.sort(key=lambda found: found["p"])
    worse = tested[: holm([found["p"] for found in tested], level=1 - settings.confidence)]
    names = ", ".join(f"{found['slicing']} {found['slice']} ({found['difference']:+.4f})" for found in worse)
    says = (
        f"worse beyond doubt on {names}" if worse else f"worse beyond doubt on none of {len(tested)} slices"
    )
    figures = {"worse": worse, "tested": tested, "min_rows": settings.slice_min_rows}
    return Rule("slices", not worse, says, figures)


def _has_not_decayed(anchor: Contest, settings: GateSettings) -> Rule:
    """Losses that are each too small to hold a candidate add up against a release that stands still."""
    rows, limit = len(anchor.candidate), settings.decay_tolerances * settings.tolerance
    figures: dict[str, Any] = {"rows": rows, "min_rows": settings.min_rows, "limit": limit}
    if rows < settings.min_rows:
        says = f"{rows:,} test rows that the anchor was not trained on either, {settings.min_rows:,} needed"
        return Rule("decay", False, says, figures)
    difference = anchor.difference()
    upper = _upper_bound(difference, settings)
    says = (
        f"against the anchor a difference of {difference.value:+.4f} that is at most {upper:+.4f} with "
        f"{settings.confidence:.0%} certainty (limit {limit:g})"
    )
    figures |= {
        "candidate_rmse": rmse(anchor.candidate),
        "anchor_rmse": rmse(anchor.champion),
        "difference": difference.value,
        "standard_error": difference.standard_error,
        "upper_bound": upper,
        "known_ids": _on_known_ids(anchor),
    }
    return Rule("decay", upper <= limit, says, figures)


def _is_best_so_far(anchor: Contest | None, settings: GateSettings) -> bool:
    """Whether a candidate is better than the anchor beyond doubt; without the rule the champion is the anchor."""
    if anchor is None or not settings.decay:
        return True
    return len(anchor.candidate) >= settings.min_rows and _upper_bound(anchor.difference(), settings) < 0


def _data_is_as_before(drift: Drift, settings: GateSettings) -> Rule:
    limits = drift.limits(settings)
    beyond = [name for name, value in drift.figures.items() if value > limits[name]]
    told = ", ".join(
        _DRIFT_SAYS[name].format(drift.figures[name], limits[name]) for name in beyond or _DRIFT_SAYS
    )
    says = f"the data drifted: {told}" if beyond else f"the data is within its limits: {told}"
    figures = {**drift.figures, **{f"{name}_limit": limit for name, limit in limits.items()}}
    return Rule("drift", not beyond, says, {**figures, "past_datasets": len(drift.past)})


_DRIFT_SAYS = {
    "psi": "PSI of the ratings {:.3f} (limit {:.3f})",
    "psi_new": "of those that came since {:.3f} (limit {:.3f})",
    "new_users": "{:.1%} of the rows are of users that the champion's data lacks (limit {:.1%})",
    "new_movies": "{:.1%} are of movies that it lacks (limit {:.1%})",
    "lost": "{:.1%} of its rows are gone (limit {:.1%})",
    "growth": "{:.1%} more rows (limit {:.1%})",
}


def _clusters(contest: Contest, rows: NDArray[np.intp]) -> int:
    return min(count_clusters(codes[rows]) for codes in (contest.users, contest.movies))


def holm(p_values: list[float], *, level: float) -> int:
    """How many of the ascending p-values are significant together at `level` (Holm 1979)."""
    for place, p in enumerate(p_values):
        if p > level / (len(p_values) - place):
            return place
    return len(p_values)
