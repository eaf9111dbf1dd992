"""The pictures of an evaluation: each title says what was found, each axis what it measures.

Drawn from metrics.json and the inputs behind it, without pyplot's global state and without a date in the
file: the same evaluation gives the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from matinee.evaluate.inputs import EvaluationInputs
from matinee.evaluate.metrics import rmse
from matinee.evaluate.plot_style import (
    BASELINE,
    INK,
    MODEL,
    QUIET,
    Margins,
    canvas,
    label_axes,
    one_above_other,
    save,
    set_margins,
)
from matinee.evaluate.slices import SLICINGS
from matinee.formats.history import History
from matinee.formats.metrics import Metrics, SliceFigures
from matinee.release.arrays import Doubles
from matinee.store.documents import Point

_LETTER = 0.058  # inches: width of a letter of upright labels
_TWO_ERRORS = 1.96  # standard errors to each side are 95%
_FEWEST = 30  # rows of a slice that the title may name
_CROWDED = 9  # more labels than this stand upright


def draw(folder: Path, *, inputs: EvaluationInputs, metrics: Metrics, history: History) -> None:
    """Write every picture of one evaluation into `folder`, which is created."""
    folder.mkdir()
    save(learning_curve(history), folder / "learning_curve.png")
    save(residuals(inputs), folder / "residuals.png")
    save(calibration(metrics), folder / "calibration.png")
    save(slices(metrics), folder / "slices.png")
    save(long_tail(inputs), folder / "long_tail.png")


def learning_curve(history: History) -> Figure:
    """Train and valid RMSE as training went on, with the epoch that was kept (the sampler averages its draws)."""
    figure, axes = canvas()
    set_margins(figure, Margins(bottom=1.1))
    draw_learning_curve(axes, history)
    figure.legend(loc="lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def draw_learning_curve(axes: Axes, history: History) -> None:
    """Draw `learning_curve` on axes, without a legend: curves with jumps leave no room for one."""
    points = [point for point in history.points if point.stage == "fit"]
    rows = max((point.rows_done for point in points), default=1)
    trace = [(point.epoch - 1 + point.rows_done / rows, point.train_rmse) for point in points]
    valid = [(point.epoch, point.valid_rmse) for point in points if point.valid_rmse is not None]
    if trace:
        axes.plot(*zip(*trace, strict=True), color=QUIET, linewidth=1.2, label="train rows, while fitting")
    title = "No epoch was measured on valid rows"
    # The sampler has no learning rate: it averages its draws, so that no epoch is kept.
    if valid and all(point.learning_rate is None for point in points):
        axes.plot(
            *zip(*valid, strict=True), color=MODEL, linewidth=1.6, label="valid rows, mean of the draws"
        )
        title = f"Valid RMSE is {valid[-1][1]:.4f} after all {valid[-1][0]} sweeps"
    elif valid:
        axes.plot(*zip(*valid, strict=True), color=MODEL, marker="o", markersize=4, label="valid rows")
        epoch, best = min(valid, key=lambda point: (point[1], point[0]))
        axes.axvline(epoch, color=INK, linewidth=1, linestyle="--", label=f"kept: epoch {epoch}")
        title = f"Valid RMSE is lowest, {best:.4f}, after epoch {epoch} of {valid[-1][0]}"
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    label_axes(axes, title, x="passes over the training rows", y="RMSE (rating points)")


def residuals(inputs: EvaluationInputs) -> Figure:
    """How errors are spread, and how their mean depends on the rating."""
    figure, (above, below) = one_above_other()
    within = float(np.median(np.abs(inputs.candidate)))
    span = inputs.scale[1] - inputs.scale[0]
    edges = np.linspace(-span, span, 82)  # an odd number of bins: exact predictions are the middle one
    for errors, color, name in (
        (inputs.bias_only, BASELINE, "bias-only"),
        (inputs.candidate, MODEL, "this model"),
    ):
        share = np.histogram(errors, edges)[0] / len(errors) * 100
        above.stairs(share, edges, color=color, linewidth=1.6, label=name)
    above.axvline(0, color=QUIET, linewidth=0.8)
    label_axes(
        above,
        f"Half of the predictions are within {within:.2f} of the rating",
        x="prediction minus rating (rating points)",
        y="test rows in each step (%)",
    )
    above.legend(frameon=False)
    _by_rating(below, inputs)
    return figure


def _by_rating(axes: Axes, inputs: EvaluationInputs) -> None:
    values, place = np.unique(inputs.test.ratings, return_inverse=True)
    rows = np.bincount(place)
    axes.plot(values, values, color=QUIET, linewidth=1, linestyle="--", label="exact")
    lean, base = (np.bincount(place, errors) / rows for errors in (inputs.candidate, inputs.bias_only))
    axes.plot(values, values + base, color=BASELINE, marker="o", markersize=4, label="bias-only")
    axes.plot(values, values + lean, color=MODEL, marker="o", markersize=4, label="this model")
    if len(values) <= _CROWDED:
        axes.set_xticks(values, [f"{value:g}" for value in values])
    title = _lean_title(values, lean)
    label_axes(
        axes, title, x="rating that was given (rating points)", y="mean prediction for it (rating points)"
    )
    axes.legend(frameon=False)


def _lean_title(values: np.ndarray[Any, Any], lean: Doubles) -> str:
    worst = int(np.argmax(np.abs(lean)))
    direction = "high" if lean[worst] > 0 else "low"
    return f"Rows rated {values[worst]:g} are predicted {abs(lean[worst]):.2f} too {direction}"


def calibration(metrics: Metrics) -> Figure:
    """Mean rating by prediction, with 95% bars, and how many rows each point stands for."""
    figure = Figure(figsize=(8, 5.4))
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    set_margins(figure, Margins(down=0.3), shape=(2, 1))
    draw_calibration(axes, metrics)
    bins = metrics.calibration.bins
    rows = np.array([found.rows for found in bins])
    widths = [found.high - found.low for found in bins]
    below.bar([found.low for found in bins], rows / rows.sum() * 100, widths, align="edge", color=QUIET)
    label_axes(below, "", x="prediction (rating points)", y="test rows (%)")
    return figure


def draw_calibration(axes: Axes, metrics: Metrics) -> None:
    """Draw the mean rating by prediction on axes."""
    bins, slope = metrics.calibration.bins, metrics.calibration.slope
    predicted = np.array([found.mean_prediction for found in bins])
    rated = np.array([found.mean_rating for found in bins])
    bars = _TWO_ERRORS * np.array([found.standard_error for found in bins])
    ends = [predicted.min(), predicted.max()]
    axes.plot(ends, ends, color=QUIET, linewidth=1, linestyle="--", label="exact")
    axes.errorbar(
        predicted, rated, bars, color=MODEL, marker="o", markersize=4, linewidth=1.4, label="this model, 95%"
    )
    title = "All predictions are equal"
    if slope is not None:
        title = f"A prediction higher by 1 goes with a rating higher by {slope:.2f}"
    label_axes(axes, title, x="", y="mean rating (rating points)")
    axes.legend(frameon=False)


def slices(metrics: Metrics) -> Figure:
    """RMSE by slice with 95% bars, next to bias-only; one panel per slicing."""
    found = metrics.slices
    lines = -(-len(found) // 2)
    figure = Figure(figsize=(11, 3.9 * lines))
    panels = list(figure.subplots(lines, 2, squeeze=False).flat)
    labels = max(map(_label_inches, found.values()), default=0.0)
    set_margins(figure, Margins(top=0.7, bottom=0.45 + labels, down=0.7 + labels), shape=(lines, 2))
    for axes, (name, rows) in zip(panels, found.items(), strict=False):
        _slice_panel(axes, name, rows)
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    figure.suptitle(
        _slices_title(metrics),
        x=0.01,
        y=1 - 0.2 / figure.get_figheight(),
        ha="left",
        va="center",
        fontsize=12,
        fontweight="bold",
        color=INK,
    )
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="upper right", ncols=2, frameon=False, fontsize=9
    )
    return figure


def _slices_title(metrics: Metrics) -> str:
    rows = [(name, row) for name, found in metrics.slices.items() for row in found if row.rows >= _FEWEST]
    name, hardest = max(rows, key=lambda pair: pair[1].low, default=("", None))
    if hardest is None or hardest.low <= metrics.rmse:
        return "No slice is significantly harder than all rows together"
    return f"Significantly hardest: {hardest.slice} {SLICINGS[name]}, RMSE {hardest.rmse:.2f}"


def _slice_panel(axes: Axes, name: str, rows: Sequence[SliceFigures]) -> None:
    places = np.arange(len(rows))
    ours = np.array([row.rmse for row in rows])
    bars = np.array([[row.rmse - row.low, row.high - row.rmse] for row in rows]).T
    axes.plot(
        places, [row.bias_only_rmse for row in rows], "D", color=BASELINE, markersize=5, label="bias-only"
    )
    axes.errorbar(places, ours, bars, color=MODEL, fmt="o", markersize=5, label="this model, 95%")
    labels = [f"{row.slice}\n{_short(row.rows)}" for row in rows]
    crowded = len(rows) > _CROWDED
    axes.set_xticks(places, labels, fontsize=7 if crowded else 8, rotation=90 if crowded else 0)
    axes.set_xlim(-0.5, len(rows) - 0.5)
    label_axes(axes, "", x=f"{SLICINGS[name]} (below: test rows)", y="RMSE (rating points)")


def _label_inches(rows: Sequence[SliceFigures]) -> float:
    """Height of the labels of a panel."""
    if len(rows) <= _CROWDED:
        return 0.3  # two lines
    return _LETTER * max(max(len(row.slice), len(_short(row.rows))) for row in rows)


def _short(rows: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if rows >= size:
            return f"{rows / size:.3g}{letter}"
    return str(rows)


def long_tail(inputs: EvaluationInputs) -> Figure:
    """How the training rows are spread over movies, and what that means for the error."""
    figure, (above, below) = one_above_other()
    counts = inputs.movie_rows
    order = np.argsort(-counts, kind="stable")
    rated = counts[order][: np.count_nonzero(counts)]  # a catalog may hold ten times as many movies
    share = np.cumsum(rated) / rated.sum() * 100
    half = int(np.searchsorted(share, 50)) + 1
    above.plot(np.arange(1, len(rated) + 1), share, color=MODEL, linewidth=1.8)
    above.plot([1, half, half], [50, 50, 0], color=QUIET, linewidth=1, linestyle="--")
    above.set_xscale("log")
    above.set_xlim(1, max(len(rated), 2))
    above.set_ylim(0, 101)
    above.xaxis.set_major_formatter(FuncFormatter(lambda movies, _: _short(int(movies))))
    label_axes(
        above,
        f"{half:,} of {len(rated):,} rated movies have half of the training rows",
        x="movies, most rated first (logarithmic)",
        y="share of training rows (%)",
    )
    _error_by_popularity(below, inputs, order)
    return figure


def _error_by_popularity(axes: Axes, inputs: EvaluationInputs, order: NDArray[np.intp]) -> None:
    """Ten groups of as many test rows each, from the most rated movies to the least rated."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    rows = np.argsort(place[inputs.test.movies], kind="stable")
    groups = [group for group in np.array_split(rows, 10) if len(group)]
    tenths = np.arange(1, len(groups) + 1)
    base, ours = (
        np.array([rmse(errors[group]) for group in groups]) for errors in (inputs.bias_only, inputs.candidate)
    )
    axes.plot(tenths, base, color=BASELINE, marker="o", markersize=4, label="bias-only")
    axes.plot(tenths, ours, color=MODEL, marker="o", markersize=4, label="this model")
    axes.set_xticks(tenths)
    label_axes(
        axes,
        f"RMSE {ours[0]:.2f} on the most rated, {ours[-1]:.2f} on the least",
        x="tenths of the test rows, most rated movies first",
        y="RMSE (rating points)",
    )
    axes.legend(frameon=False)


def progressive(points: Sequence[Point]) -> Figure:
    """Each champion on the ratings that came after it, next to its RMSE on the test rows."""
    figure, axes = canvas()
    set_margins(figure, Margins(bottom=1.3))
    draw_progressive(axes, points)
    figure.legend(loc="lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def draw_progressive(axes: Axes, points: Sequence[Point], *, most_labels: int = 30) -> None:
    """Draw `progressive` on axes, without a legend; `most_labels` is the number of dates below the axis."""
    places, last = np.arange(len(points)), points[-1]
    rmses = [point.rmse for point in points]
    bars = _TWO_ERRORS * np.array([point.interval.standard_error for point in points])
    base = [np.nan if point.bias_only_rmse is None else point.bias_only_rmse for point in points]
    promised = [point.test_rmse for point in points]
    axes.plot(places, base, color=BASELINE, marker="D", markersize=4, linewidth=1, label="bias-only")
    axes.plot(places, promised, "s--", color=QUIET, markersize=4, linewidth=1.2, label="on its test rows")
    axes.errorbar(places, rmses, bars, color=MODEL, marker="o", markersize=5, label="on newer ratings, 95%")
    crowded = min(len(points), most_labels) > _CROWDED
    step = -(-len(points) // most_labels)
    labels = [f"{each.last_date or each.at[:10]}\n{each.release}" for each in points[::step]]
    axes.set_xticks(places[::step], labels, fontsize=7 if crowded else 8, rotation=90 if crowded else 0)
    axes.set_xlim(-0.5, len(points) - 0.5)
    title = f"{last.release}: {last.rmse:.4f} on newer ratings, {last.test_rmse:.4f} on its test rows"
    label_axes(axes, title, x="last day of the new ratings, and the champion", y="RMSE (rating points)")
