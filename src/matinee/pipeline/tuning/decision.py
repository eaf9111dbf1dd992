"""What a search has found: whether settings are better than the base settings beyond noise."""

from typing import Final

from matinee.formats.tuning import Finalist, Goal, GoalResult, ScoreDifference, SearchedValues, TrialNote
from matinee.pipeline.tuning.scores import METRICS, TrialFit, compare_errors, compare_ndcgs
from matinee.pipeline.tuning.search import REPEATS, Call, Tuning, repeat_name

# Standard errors by which settings must be better than the base settings: 95% for three finalists together.
ERRORS: Final = 2.4
_NAMES: Final = {"rmse": "valid RMSE", "ndcg_at_10": "valid nDCG@10"}


def decide(search: Tuning, goal: Goal) -> GoalResult:
    """The result for one goal, from its finished trials and repeats."""
    trials = search.trials[goal]
    notes = trials.notes()
    finalists = _finalists(search, goal, {note.number: note for note in notes})
    chosen = choose(goal, finalists)
    return GoalResult(
        goal=goal,
        metric=METRICS[goal],
        trials=notes,
        finalists=finalists,
        chosen=chosen,
        importances=trials.importances(),
        says=_says(goal, finalists, chosen=chosen, trials=len(notes)),
    )


def choose(goal: Goal, finalists: list[Finalist]) -> int:
    """The trial with the best mean difference from the base settings, or 0 if that may be noise.

    >>> base = Finalist(trial=0, settings={}, searched=0.91, scores=[0.92], difference=None)
    >>> found = ScoreDifference(value=-0.004, standard_error=0.001)
    >>> choose("ratings", [base, base.model_copy(update={"trial": 5, "difference": found})])
    5
    """
    sign = 1 if goal == "ratings" else -1
    found = [(sign * each.difference.value, each) for each in finalists if each.difference is not None]
    if not found:
        return 0
    gain, best = min(found, key=lambda pair: pair[0])
    assert best.difference is not None  # nosec B101 # for mypy
    return best.trial if gain + ERRORS * best.difference.standard_error < 0 else 0


def _finalists(search: Tuning, goal: Goal, notes: dict[int, TrialNote]) -> list[Finalist]:
    """The base settings and the best trials with their repeats. A repeat counts if the base settings have it too."""
    done = search.trials[goal].remembered()
    chosen = search.finalists(goal)
    repeats = [
        repeat for repeat in range(1, REPEATS + 1) if isinstance(done.get(repeat_name(0, repeat)), float)
    ]
    fits = {
        number: [search.fit(_call(search, goal, number, values, repeat)) for repeat in repeats]
        for number, values in chosen
    }
    found = []
    for number, values in chosen:
        scores = [done.get(repeat_name(number, repeat)) for repeat in repeats]
        whole = [score for score in scores if isinstance(score, float)]
        compared = number > 0 and bool(whole) and len(whole) == len(scores)
        found.append(
            Finalist(
                trial=number,
                settings=values,
                searched=notes[number].value if number in notes else None,
                scores=whole,
                difference=_compare(goal, fits[number], fits[0]) if compared else None,
            )
        )
    return found


def _call(search: Tuning, goal: Goal, number: int, values: SearchedValues, repeat: int) -> Call:
    return Call(study=search.file.study, goal=goal, number=number, repeat=repeat, settings=values)


def _compare(goal: Goal, ours: list[TrialFit], theirs: list[TrialFit]) -> ScoreDifference:
    if goal == "ratings":
        return compare_errors([fit.errors() for fit in ours], [fit.errors() for fit in theirs])
    return compare_ndcgs([fit.lists() for fit in ours], [fit.lists() for fit in theirs])


def _says(goal: Goal, finalists: list[Finalist], *, chosen: int, trials: int) -> str:
    what = _NAMES[METRICS[goal]]
    base = finalists[0]
    if not chosen:
        if trials == 1:
            return f"{goal}: no other settings were tried, so the base settings stay{_mean(base, what)}."
        return (
            f"{goal}: none of {trials - 1} suggestions is better than the base settings beyond noise, so these stay"
            f"{_mean(base, what)}."
        )
    (best,) = (each for each in finalists if each.trial == chosen)
    assert best.difference is not None  # nosec B101 # for mypy: it was chosen by it
    mean = sum(best.scores) / len(best.scores)
    return (
        f"{goal}: trial {chosen} is better than the base settings: {what} {mean:.4f} on average "
        f"over {len(best.scores)} repeats, {best.difference.value:+.4f} (standard error "
        f"{best.difference.standard_error:.4f})."
    )


def _mean(base: Finalist, what: str) -> str:
    if not base.scores:
        return ""
    mean = sum(base.scores) / len(base.scores)
    return f" ({what} {mean:.4f} on average over {len(base.scores)} repeats)"
