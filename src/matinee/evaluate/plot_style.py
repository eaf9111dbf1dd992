"""The looks that all plots share: colours, margins, titles and files."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Three colours that stay apart for colour-blind readers and in grey print.
MODEL = "#1f5f8b"
BASELINE = "#d98324"
QUIET = "#8a8f94"
INK = "#22272b"
GRID = "#e4e6e8"
_DPI = 130
_TITLE_LETTER = 0.098  # inches: width of a letter of a title
_TWO_LINES = 0.75  # inches above axes: a title of two lines


@dataclass(frozen=True)
class Margins:
    """Space around the axes of a figure and between them, in inches."""

    left: float = 0.95  # for the numbers of an axis and its label
    right: float = 0.2
    top: float = 0.55  # for a title
    bottom: float = 0.7
    across: float = 1.0
    down: float = 1.0


def set_margins(figure: Figure, margins: Margins, *, shape: tuple[int, int] = (1, 1)) -> None:
    """Set the margins of a figure. Layouts of matplotlib find them by drawing everything one more time.

    Args:
        figure: Its axes are made already.
        margins: The margins.
        shape: Rows and columns of axes.
    """
    width, height = figure.get_size_inches()
    rows, columns = shape
    wide = (width - margins.left - margins.right - margins.across * (columns - 1)) / columns
    high = (height - margins.top - margins.bottom - margins.down * (rows - 1)) / rows
    figure.subplots_adjust(
        left=margins.left / width,
        right=1 - margins.right / width,
        top=1 - margins.top / height,
        bottom=margins.bottom / height,
        wspace=margins.across / wide,
        hspace=margins.down / high,
    )


def canvas() -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure = Figure(figsize=(8, 4.6))
    axes = figure.subplots()
    set_margins(figure, Margins())
    return figure, axes


def one_above_other() -> tuple[Figure, tuple[Axes, Axes]]:
    """A figure with two pairs of axes, narrow enough to be read on a phone without scrolling."""
    figure = Figure(figsize=(6, 7.6))
    above, below = figure.subplots(2, 1)
    set_margins(figure, Margins(top=_TWO_LINES, down=0.6 + _TWO_LINES), shape=(2, 1))
    return figure, (above, below)


def label_axes(axes: Axes, title: str, *, x: str, y: str, grid: Literal["x", "y"] = "y") -> None:
    """Set title and labels of axes, and the looks that all plots share. A title wider than the axes is wrapped."""
    inches = axes.bbox.width / axes.figure.dpi
    wrapped = fill(title, max(int(inches / _TITLE_LETTER), 20)) if title else ""
    axes.set_title(wrapped, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def save(figure: Figure, path: Path) -> None:
    """Write a picture whose bytes depend on nothing but what it shows."""
    figure.savefig(path, format="png", dpi=_DPI, metadata={"Software": None})
