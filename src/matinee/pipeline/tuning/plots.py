"""The plots of a search: scores by trial, and how much each setting matters."""

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from matinee.evaluate.figures import BASELINE, INK, MODEL, QUIET, dress
from matinee.formats.tuning import GoalResult
from matinee.publish.report.plots import inline_svg, panel

LABELS = {"rmse": "RMSE on the valid rows", "ndcg_at_10": "nDCG@10 on the valid rows"}
_ROW, _EDGES = 0.3, 0.7  # inches per setting, and for the axis


def history_plot(result: GoalResult) -> Markup:
    """The score of each trial, and the best so far."""
    complete = [note for note in result.trials if note.state == "complete" and note.value is not None]
    pruned = [note for note in result.trials if note.state == "pruned" and note.value is not None]
    figure, axes = panel(height=3.2, top=0.5)
    if pruned:
        axes.plot(
            [note.number for note in pruned],
            np.array([note.value for note in pruned], float),
            "x",
            color=QUIET,
            label="stopped early",
        )
    numbers, scores = [note.number for note in complete], np.array([note.value for note in complete], float)
    best = np.minimum.accumulate(scores) if result.goal == "ratings" else np.maximum.accumulate(scores)
    axes.plot(numbers, scores, "o", color=MODEL, markersize=5, label="trial")
    axes.step(numbers, best, where="post", color=MODEL, linewidth=1.4, label="best so far")
    axes.axhline(scores[0], color=BASELINE, linewidth=1.2, linestyle="--", label="base settings")
    if len(scores) > 2:  # a few very bad trials must not flatten the rest
        low, high = np.quantile(scores, [0, 0.85] if result.goal == "ratings" else [0.15, 1])
        margin = 0.15 * (high - low) or 1e-4
        axes.set_ylim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    dress(axes, "", x="trial", y=LABELS[result.metric])
    figure.legend(loc="upper left", ncols=2, frameon=False, fontsize=9)
    alt = (
        f"Score of each trial. Base settings: {scores[0]:.4f}. Best trial: {best[-1]:.4f}. {len(pruned)} trials were "
        "stopped early. The table has all values."
    )
    return inline_svg(figure, f"history-{result.goal}", alt=alt)


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
    dress(axes, "", x="importance", y="", grid="x")
    said = ", ".join(f"{name} {share:.2f}" for name, share in result.importances.items())
    return inline_svg(figure, f"importance-{result.goal}", alt=f"Importance of each setting: {said}.")
