"""The plots of a release's report, from its JSON files."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from markupsafe import Markup
from matplotlib.lines import Line2D

from matinee.evaluate.plot_style import BASELINE, MODEL, QUIET, label_axes
from matinee.evaluate.plots import draw_calibration, draw_learning_curve, draw_progressive
from matinee.formats.history import History
from matinee.formats.metrics import Metrics, SliceFigures
from matinee.formats.slice_names import SLICE_NAMES
from matinee.publish.report.plots import inline_svg, panel
from matinee.store.documents import Point

_ROW, _EDGES = 0.21, 1.0  # inches per slice, and for axis and legend
_FEWEST: Final = 30  # rows of a slice that is drawn
_DATES: Final = 5  # below the axis


def slices_plot(metrics: Metrics) -> Markup:
    """RMSE by slice with its 95% interval, next to bias-only; empty if all slices are small."""
    rows: list[tuple[str, SliceFigures]] = [
        (SLICE_NAMES[name].format(each.slice), each)
        for name, found in metrics.slices.items()
        for each in found
        if each.rows >= _FEWEST
    ]
    if not rows:
        return Markup()
    figure, axes = panel(height=_EDGES + _ROW * len(rows), labels=[label for label, _ in rows], top=0.35)
    places, figures = np.arange(len(rows)), [each for _, each in rows]
    base = [each.bias_only_rmse for each in figures]
    axes.axvline(metrics.rmse, color=QUIET, linewidth=1, linestyle="--", label="all rows")
    axes.plot(base, places, "D", color=BASELINE, markersize=4, label="bias-only")
    low, high = [each.low for each in figures], [each.high for each in figures]
    axes.hlines(places, low, high, color=MODEL, linewidth=1.8)
    axes.plot([each.rmse for each in figures], places, "o", color=MODEL, markersize=5)
    axes.set_yticks(places, [label for label, _ in rows])
    axes.invert_yaxis()
    label_axes(axes, "", x="RMSE (left is better)", y="", grid="x")
    ours = Line2D([], [], color=MODEL, marker="o", markersize=5, linewidth=1.8, label="this release, 95%")
    handles = [ours, *axes.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="upper left", ncols=3, frameon=False, fontsize=9)
    best, worst = (choose(rows, key=lambda row: row[1].rmse) for choose in (min, max))
    alt = (
        f"RMSE by slice. Lowest: {best[0]}, {best[1].rmse:.3f}. Highest: {worst[0]}, {worst[1].rmse:.3f}. "
        "The table has all values."
    )
    return inline_svg(figure, "slices", alt=alt)


def calibration_plot(metrics: Metrics) -> Markup:
    """Mean rating by prediction."""
    figure, axes = panel(height=3.2)
    draw_calibration(axes, metrics)
    axes.set_title("", loc="left")
    axes.set_xlabel("prediction (rating points)")
    slope = metrics.calibration.slope
    says = "All predictions are equal." if slope is None else f"The slope is {slope:.2f}; 1 is perfect."
    return inline_svg(figure, "calibration", alt=f"Mean rating of test rows by their prediction. {says}")


def learning_plot(history: History) -> Markup:
    """Train and valid RMSE as training went on."""
    figure, axes = panel(height=3.5, top=0.55)
    draw_learning_curve(axes, history)
    names = axes.get_legend_handles_labels()[0]
    figure.legend(loc="upper left", ncols=1 if len(names) < 3 else 2, frameon=False, fontsize=9)
    title = axes.get_title(loc="left").replace("\n", " ")
    axes.set_title("", loc="left")
    return inline_svg(figure, "learning", alt=f"RMSE on train and valid rows during the fit. {title}.")


def series_plot(points: Sequence[Point]) -> Markup:
    """The champions on newer ratings; empty for fewer than two."""
    if len(points) < 2:
        return Markup()
    figure, axes = panel(height=3.9, top=0.5, bottom=0.7)
    draw_progressive(axes, points, most_labels=_DATES)
    axes.set_title("", loc="left")
    figure.legend(loc="upper left", ncols=2, frameon=False, fontsize=9)
    last = points[-1]
    alt = (
        f"RMSE of each champion on newer ratings. {last.release}: {last.rmse:.4f}, and {last.test_rmse:.4f} on its "
        "test rows. The table has all values."
    )
    return inline_svg(figure, "series", alt=alt)
