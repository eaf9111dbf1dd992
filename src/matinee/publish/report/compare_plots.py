"""The plots of a comparison."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from markupsafe import Markup

from matinee.errors.text import signed
from matinee.evaluate.plot_style import INK, MODEL, QUIET, label_axes
from matinee.formats.comparison import Comparison, Difference
from matinee.formats.slice_names import SLICE_NAMES
from matinee.publish.report.plots import inline_svg, panel

_ROW: Final = 0.21  # inches per slice
_EDGES: Final = 0.8  # inches for the axis and its label


def difference_plot(comparison: Comparison, place: int) -> Markup:
    """The RMSE of a model minus that of the first one, over all rows and by slice, with 95% intervals.

    Args:
        comparison: A comparison that has slices.
        place: Which of its differences.
    """
    first, other = comparison.models[0].name, comparison.models[place + 1].name
    (rmse,) = (figure for figure in comparison.figures if figure.name == "rmse")
    rows: list[tuple[str, Difference]] = [("all rows", rmse.differences[place])]
    rows += [
        (SLICE_NAMES[each.slicing].format(each.slice), each.differences[place]) for each in comparison.slices
    ]
    figure, axes = panel(height=_EDGES + _ROW * len(rows), labels=[label for label, _ in rows])
    values = np.array([difference.value for _, difference in rows])
    ends = np.array([(difference.low, difference.high) for _, difference in rows])
    places = np.arange(len(rows))
    axes.axvline(0, color=INK, linewidth=1)
    for color, chosen in ((QUIET, _clear(rows, clear=False)), (MODEL, _clear(rows, clear=True))):
        axes.hlines(places[chosen], ends[chosen, 0], ends[chosen, 1], color=color, linewidth=1.8)
        axes.plot(values[chosen], places[chosen], "o", color=color, markersize=5)
    axes.set_yticks(places, [label for label, _ in rows])
    axes.invert_yaxis()
    label_axes(axes, "", x="RMSE difference (left: better)", y="", grid="x")
    texts = signed(values.tolist())
    clear = [f"{label} {text}" for (label, each), text in zip(rows, texts, strict=True) if _is_clear(each)]
    alt = (
        f"RMSE of {other} minus that of {first}, with 95% intervals: all rows {texts[0]}. "
        f"Clearly different: {', '.join(clear) or 'none'}. The table has all values."
    )
    return inline_svg(figure, f"difference-{place}", alt=alt)


def _is_clear(difference: Difference) -> bool:
    return difference.verdict in ("better", "worse")


def _clear(rows: Sequence[tuple[str, Difference]], *, clear: bool) -> list[int]:
    return [place for place, (_, difference) in enumerate(rows) if _is_clear(difference) == clear]
