"""The pictures of an evaluation: each title says what was found, each axis what it measures.

Drawn from metrics.json and the evidence behind it, without pyplot's global state and without a date in the
file: the same evaluation gives the same bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matinee.evaluate.evidence import Evidence
from matinee.evaluate.metrics import Floats

# Three colours that stay apart for colour-blind readers and in grey print.
MODEL = "#1f5f8b"
BASELINE = "#d98324"
QUIET = "#8a8f94"
INK = "#22272b"
_DPI = 130


def draw(folder: Path, *, evidence: Evidence, figures: Mapping[str, Any], history: Mapping[str, Any]) -> None:
    """Write every picture of one evaluation into `folder`, which is created."""
    folder.mkdir()
    _save(learning_curve(history), folder / "learning_curve.png")
    _save(residuals(evidence), folder / "residuals.png")


def learning_curve(history: Mapping[str, Any]) -> Figure:
    """Train and valid RMSE as training went on, with the epoch that was kept."""
    figure, axes = _canvas()
    points = [point for point in history["points"] if point["stage"] == "fit"]
    rows = max((point["rows_done"] for point in points), default=1)
    trace = [(point["epoch"] - 1 + point["rows_done"] / rows, point["train_rmse"]) for point in points]
    valid = [(point["epoch"], point["valid_rmse"]) for point in points if point["valid_rmse"] is not None]
    if trace:
        axes.plot(*zip(*trace, strict=True), color=QUIET, linewidth=1.2, label="train rows, while fitting")
    title = "No epoch was measured on valid rows"
    if valid:
        axes.plot(*zip(*valid, strict=True), color=MODEL, marker="o", markersize=4, label="valid rows")
        epoch, best = min(valid, key=lambda point: (point[1], point[0]))
        axes.axvline(epoch, color=BASELINE, linewidth=1, linestyle="--", label=f"kept: epoch {epoch}")
        title = f"Valid RMSE is lowest, {best:.4f}, after epoch {epoch} of {valid[-1][0]}"
    _dress(axes, title, x="passes over the training rows", y="RMSE (rating points)")
    axes.legend(frameon=False)
    return figure


def residuals(evidence: Evidence) -> Figure:
    """How errors are spread, and how they lean with the rating that was given."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    within = float(np.median(np.abs(evidence.candidate)))
    span = evidence.scale[1] - evidence.scale[0]
    edges = np.linspace(-span, span, 82)  # an odd number of bins: exact predictions are the middle one
    for errors, color, name in (
        (evidence.bias_only, BASELINE, "bias-only"),
        (evidence.candidate, MODEL, "this model"),
    ):
        share = np.histogram(errors, edges)[0] / len(errors) * 100
        left.stairs(share, edges, color=color, linewidth=1.6, label=name)
    left.axvline(0, color=QUIET, linewidth=0.8)
    _dress(
        left,
        f"Half of the predictions are within {within:.2f} of the rating",
        x="prediction minus rating (rating points)",
        y=f"share of test rows (% per {edges[1] - edges[0]:.2g} points)",
    )
    left.legend(frameon=False)
    _by_rating(right, evidence)
    return figure


def _by_rating(axes: Axes, evidence: Evidence) -> None:
    values, place = np.unique(evidence.test.ratings, return_inverse=True)
    rows = np.bincount(place)
    axes.plot(values, values, color=QUIET, linewidth=1, linestyle="--", label="exact")
    lean, base = (np.bincount(place, errors) / rows for errors in (evidence.candidate, evidence.bias_only))
    axes.plot(values, values + base, color=BASELINE, marker="o", markersize=4, label="bias-only")
    axes.plot(values, values + lean, color=MODEL, marker="o", markersize=4, label="this model")
    _dress(axes, _lean_title(values, lean), x="rating that was given", y="mean prediction for it")
    axes.legend(frameon=False)


def _lean_title(values: np.ndarray[Any, Any], lean: Floats) -> str:
    worst = int(np.argmax(np.abs(lean)))
    direction = "high" if lean[worst] > 0 else "low"
    return f"Rows rated {values[worst]:g} are predicted {abs(lean[worst]):.2f} too {direction}"


def _canvas() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    return figure, figure.subplots()


def _dress(axes: Axes, title: str, *, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e6e8", linewidth=0.8)
    axes.set_axisbelow(True)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
