"""The plots of a search: scores by trial, and how much each setting matters."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from matinee.evaluate.plot_style import BASELINE, INK, MODEL, QUIET, label_axes
from matinee.formats.tuning import GoalResult, TrialNote
from matinee.publish.report.plots import inline_svg, panel

LABELS = {"rmse": "RMSE on the valid rows", "ndcg_at_10": "nDCG@10 on the valid rows"}
_FAR = 3.0  # times as far from the best as most trials are
_ROW, _EDGES = 0.3, 0.7  # inches per setting, and for the axis


def history_plot(result: GoalResult) -> Markup:
    """The score of each trial, and the best so far."""
    complete = [note for note in result.trials if note.state == "complete" and note.value is not None]
    pruned = [note for note in result.trials if note.state == "pruned" and note.value is not None]
    scores = np.array([note.value for note in complete], float)
    lower_is_better = result.goal == "ratings"
    best = np.minimum.accumulate(scores) if lower_is_better else np.maximum.accumulate(scores)
    figure, axes = panel(height=3.2, top=0.5)
    axes.set_ylim(*_limits(scores, [note.value for note in pruned], lower_is_better=lower_is_better))
    beyond = _mark(axes, pruned, "x", QUIET, "stopped early", lower_is_better=lower_is_better)
    beyond += _mark(axes, complete, "o", MODEL, "trial", lower_is_better=lower_is_better)
    numbers = [note.number for note in complete]
    axes.step(numbers, best, where="post", color=MODEL, linewidth=1.4, label="best so far")
    axes.axhline(scores[0], color=BASELINE, linewidth=1.2, linestyle="--", label="base settings")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axes(axes, "", x="trial", y=LABELS[result.metric])
    figure.legend(loc="upper left", ncols=2, frameon=False, fontsize=9)
    arrows = f" Much worse trials, drawn as arrows at the edge: {beyond}." if beyond else ""
    alt = (
        f"Score of each trial. Base settings: {scores[0]:.4f}. Best trial: {best[-1]:.4f}. {len(pruned)} trials were "
        f"stopped early.{arrows} The table has all values."
    )
    return inline_svg(figure, f"history-{result.goal}", alt=alt)


def _limits(
    scores: np.ndarray, stopped: Sequence[float | None], *, lower_is_better: bool
) -> tuple[float, float]:
    """The range of the score axis: a few much worse trials are outside, because they would flatten the rest."""
    known = [*scores, *(score for score in stopped if score is not None)]
    best = min(known) if lower_is_better else max(known)
    worst = max(scores) if lower_is_better else min(scores)
    usual = np.quantile(scores, 0.85 if lower_is_better else 0.15)
    if abs(worst - best) > _FAR * abs(usual - best):
        worst = usual
    low, high = sorted((best, float(worst)))
    margin = 0.15 * (high - low) or 1e-4
    return low - margin, high + margin


def _mark(
    axes: Axes, notes: Sequence[TrialNote], marker: str, color: str, label: str, *, lower_is_better: bool
) -> int:
    """Draw trials, and those beyond the axis as arrows at its edge; returns how many those are."""
    numbers, scores = (
        np.array([note.number for note in notes]),
        np.array([note.value for note in notes], float),
    )
    low, high = axes.get_ylim()
    edge, arrow = (high, "^") if lower_is_better else (low, "v")
    beyond = scores > high if lower_is_better else scores < low
    if not beyond.all():
        axes.plot(numbers[~beyond], scores[~beyond], marker, color=color, markersize=5, label=label)
    if beyond.any():
        axes.plot(
            numbers[beyond],
            np.full(beyond.sum(), edge),
            arrow,
            color=color,
            clip_on=False,
            label=label if beyond.all() else None,
        )
    return int(beyond.sum())


def importance_plot(result: GoalResult) -> Markup:
    """The share of each setting in the spread of the scores; empty if it is unknown."""
    if not result.importances:
        return Markup()
    names = list(result.importances)
    shares = [result.importances[name] for name in names]
    figure, axes = panel(height=_EDGES + _ROW * len(names), labels=names)
    places = np.arange(len(names))
    axes.barh(places, shares, color=MODEL, height=0.6)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(*shares, 0.01) * 1.15)
    for place, share in enumerate(shares):
        axes.annotate(
            f"{share:.2f}",
            (share, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=9,
        )
    label_axes(axes, "", x="importance", y="", grid="x")
    said = ", ".join(f"{name} {share:.2f}" for name, share in result.importances.items())
    return inline_svg(figure, f"importance-{result.goal}", alt=f"Importance of each setting: {said}.")
