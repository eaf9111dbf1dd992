"""The gate: decides whether a candidate may replace the champion, and records the figures behind the decision.

It runs between evaluate and publish. A hold is a decision, not a failure: the candidate stays in the store.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.errors.text import signed
from matinee.evaluate.drift import SENTENCES, Drift
from matinee.evaluate.lists_rule import judge_lists
from matinee.evaluate.metrics import Estimate, count_clusters, estimate_rmse_difference, holm, rmse
from matinee.evaluate.paired_lists import PairedLists
from matinee.evaluate.slices import Slicing
from matinee.formats.decision import (
    AnyVerdict,
    BiasOnlyVerdict,
    ChampionVerdict,
    DecayVerdict,
    DriftVerdict,
    KnownIds,
    RowsVerdict,
    SlicesVerdict,
    SliceTest,
)
from matinee.formats.slice_names import SLICE_NAMES
from matinee.release.arrays import Codes, Doubles
from matinee.settings import GateSettings

# With fewer users or movies than this, a clustered standard error is too small for a test.
_MIN_CLUSTERS = 10
_NAMED_SLICES = 3  # in a sentence; the decision lists all
_POWER = 0.8


@dataclass(frozen=True)
class PairedErrors:
    """Errors (prediction - rating) of two models on the same rows, unseen by both, and slices of the rows.

    `known` marks the rows whose user and movie both models know; None if that is unknown.
    """

    users: Codes
    movies: Codes
    candidate: Doubles
    other: Doubles  # of the champion or the anchor
    slicings: tuple[Slicing, ...] = ()
    known: NDArray[np.bool_] | None = None
    rows: NDArray[np.intp] | None = None  # which of the test rows these are; None for all

    def difference(self, rows: NDArray[Any] | slice = slice(None)) -> Estimate:
        """RMSE(candidate) - RMSE(other), on some of the rows."""
        return estimate_rmse_difference(
            self.candidate[rows], self.other[rows], self.users[rows], self.movies[rows]
        )


@dataclass(frozen=True)
class Decision:
    """The results of all rules; one failed rule holds the candidate."""

    rules: tuple[AnyVerdict, ...]
    becomes_anchor: bool  # whether the release becomes the anchor, which later candidates are compared with
    main: tuple[str, ...] = ("champion", "bias_only")  # the rules that a promotion reports

    @property
    def promoted(self) -> bool:
        return all(rule.passed for rule in self.rules)

    @property
    def reason(self) -> str:
        """One line for people: the rules that failed, or the main results."""
        failed = [rule for rule in self.rules if not rule.passed]
        reported = failed or [rule for rule in self.rules if rule.name in self.main]
        return f"{'Promoted' if self.promoted else 'Held'}: {'; '.join(rule.says for rule in reported)}."


def decide(
    candidate: Doubles,
    bias_only: Doubles,
    *,
    champion: PairedErrors | None,
    settings: GateSettings,
    anchor: PairedErrors | None = None,
    drift: Drift | None = None,
    lists: PairedLists | None = None,
) -> Decision:
    """Decide on a candidate: against bias-only always, against champion, anchor and earlier data if they exist.

    Args:
        candidate: The candidate's errors on all test rows.
        bias_only: The errors of bias-only on the same rows.
        champion: The paired errors of candidate and champion; None without a champion.
        settings: The limits of the rules.
        anchor: The paired errors of candidate and anchor; None without an anchor.
        drift: How far the data is from the champion's.
        lists: The lists of candidate and champion; None if they were not compared.

    Returns:
        The result of each rule. With too few rows to compare, the rules that compare are omitted and the candidate is
        held.

    """
    rules: list[AnyVerdict] = [_beats_bias_only(candidate, bias_only, settings)]
    if champion is not None:
        rules.insert(0, _has_enough_rows(champion, settings))
        if rules[0].passed:
            rules.insert(1, _holds_against_champion(champion, settings))
            if settings.slices:
                rules.append(_no_slice_got_worse(champion, settings))
            if lists is not None:
                rules.append(judge_lists(lists, settings))
    if anchor is not None and settings.decay:
        rules.append(_has_not_decayed(anchor, settings))
    if drift is not None and settings.drift:
        rules.append(judge_drift(drift, settings))
    return Decision(tuple(rules), becomes_anchor=_is_best_so_far(anchor, settings))


def _has_enough_rows(paired: PairedErrors, settings: GateSettings) -> RowsVerdict:
    rows = len(paired.candidate)
    says = f"{rows:,} test rows unseen by both models ({settings.min_rows:,} required)"
    if rows == 0:
        says = "the champion was trained on every row of this test set, so the two cannot be compared"
    return RowsVerdict(
        name="rows", passed=rows >= settings.min_rows, says=says, rows=rows, min_rows=settings.min_rows
    )


def _holds_against_champion(paired: PairedErrors, settings: GateSettings) -> ChampionVerdict:
    ours, theirs = rmse(paired.candidate), rmse(paired.other)
    difference = paired.difference()
    upper = _upper_bound(difference, settings)
    value, most = signed([difference.value, upper])
    says = (
        f"RMSE {ours:.4f} against the champion's {theirs:.4f} on {len(paired.candidate):,} rows unseen by both models: "
        f"difference {value}, and at most {most} with {settings.confidence:.0%} confidence "
        f"({settings.tolerance:g} is allowed)"
    )
    if difference.value <= settings.tolerance < upper:
        says += f", so the rows are too few to rule out a loss of more than {settings.tolerance:g}"
    return ChampionVerdict(
        name="champion",
        passed=upper <= settings.tolerance,
        says=says,
        rows=len(paired.candidate),
        candidate_rmse=ours,
        champion_rmse=theirs,
        difference=difference.value,
        standard_error=difference.standard_error,
        upper_bound=upper,
        confidence=settings.confidence,
        tolerance=settings.tolerance,
        detectable=(_z(settings) + NormalDist().inv_cdf(_POWER)) * difference.standard_error,
        power=_POWER,
        known_ids=_on_known_ids(paired),
    )


def _z(settings: GateSettings) -> float:
    return NormalDist().inv_cdf(settings.confidence)


def _upper_bound(difference: Estimate, settings: GateSettings) -> float:
    return difference.value + _z(settings) * difference.standard_error


def _on_known_ids(paired: PairedErrors) -> KnownIds | None:
    """The same difference without new users and movies, so that it does not depend on which model knows more ids."""
    if paired.known is None or not paired.known.any():
        return None
    difference = paired.difference(paired.known)
    rows = int(np.count_nonzero(paired.known))
    return KnownIds(rows=rows, difference=difference.value, standard_error=difference.standard_error)


def _beats_bias_only(candidate: Doubles, bias_only: Doubles, settings: GateSettings) -> BiasOnlyVerdict:
    ours, theirs = rmse(candidate), rmse(bias_only)
    says = f"RMSE {ours:.4f} against {theirs:.4f} of bias-only (tolerance {settings.tolerance:g})"
    return BiasOnlyVerdict(
        name="bias_only",
        passed=ours - theirs <= settings.tolerance,
        says=says,
        rows=len(candidate),
        candidate_rmse=ours,
        bias_only_rmse=theirs,
        difference=ours - theirs,
        tolerance=settings.tolerance,
    )


def _no_slice_got_worse(paired: PairedErrors, settings: GateSettings) -> SlicesVerdict:
    """One test per slice that is large enough; Holm's correction keeps the gate's level over all slices."""
    tested: list[SliceTest] = []
    for slicing in paired.slicings:
        for label, rows in slicing:
            if len(rows) >= settings.slice_min_rows and _clusters(paired, rows) >= _MIN_CLUSTERS:
                difference = paired.difference(rows)
                excess = (difference.value - settings.tolerance) / (difference.standard_error or 1e-12)
                tested.append(
                    SliceTest(
                        slicing=slicing.name,
                        slice=label,
                        rows=len(rows),
                        difference=difference.value,
                        standard_error=difference.standard_error,
                        p=NormalDist().cdf(-excess),
                    )
                )
    tested.sort(key=lambda found: found.p)
    worse = tested[: holm([found.p for found in tested], level=1 - settings.confidence)]
    named = [
        f"{SLICE_NAMES[found.slicing].format(found.slice)} ({found.difference:+.4f})"
        for found in worse[:_NAMED_SLICES]
    ]
    others = f" and {len(worse) - len(named)} more" if len(worse) > len(named) else ""
    which = f"{', '.join(named)}{others}" if worse else f"none of {len(tested)} slices"
    return SlicesVerdict(
        name="slices",
        passed=not worse,
        says=f"significantly worse on {which}",
        worse=worse,
        tested=tested,
        min_rows=settings.slice_min_rows,
    )


def _has_not_decayed(anchor: PairedErrors, settings: GateSettings) -> DecayVerdict:
    """Losses that are each too small to hold a candidate add up against the anchor, which stays fixed."""
    rows, limit = len(anchor.candidate), settings.decay_tolerances * settings.tolerance
    if rows < settings.min_rows:
        says = f"{rows:,} test rows unseen by candidate and anchor ({settings.min_rows:,} required)"
        return DecayVerdict(
            name="decay", passed=False, says=says, rows=rows, min_rows=settings.min_rows, limit=limit
        )
    difference = anchor.difference()
    upper = _upper_bound(difference, settings)
    value, most = signed([difference.value, upper])
    says = (
        f"difference from the anchor {value}, and at most {most} with {settings.confidence:.0%} "
        f"confidence ({limit:g} is allowed)"
    )
    return DecayVerdict(
        name="decay",
        passed=upper <= limit,
        says=says,
        rows=rows,
        min_rows=settings.min_rows,
        limit=limit,
        candidate_rmse=rmse(anchor.candidate),
        anchor_rmse=rmse(anchor.other),
        difference=difference.value,
        standard_error=difference.standard_error,
        upper_bound=upper,
        known_ids=_on_known_ids(anchor),
    )


def _is_best_so_far(anchor: PairedErrors | None, settings: GateSettings) -> bool:
    """Whether a candidate is significantly better than the anchor; always true with `gate.decay=false`."""
    if anchor is None or not settings.decay:
        return True
    return len(anchor.candidate) >= settings.min_rows and _upper_bound(anchor.difference(), settings) < 0


def judge_drift(drift: Drift, settings: GateSettings) -> DriftVerdict:
    """Hold a candidate whose data differs too much from the champion's."""
    limits = drift.limits(settings)
    beyond = [name for name, value in drift.figures.items() if value > limits[name]]
    details = ", ".join(
        SENTENCES[name].format(drift.figures[name], limits[name]) for name in beyond or SENTENCES
    )
    says = f"the data drifted: {details}" if beyond else f"the data is within its limits: {details}"
    return DriftVerdict(
        name="drift",
        passed=not beyond,
        says=says,
        **drift.figures,
        **{f"{name}_limit": limit for name, limit in limits.items()},
        past_datasets=len(drift.past),
    )


def _clusters(paired: PairedErrors, rows: NDArray[np.intp]) -> int:
    return min(count_clusters(codes[rows]) for codes in (paired.users, paired.movies))
