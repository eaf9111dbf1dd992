"""Plots as SVG inside a page: real text, and colours that follow the page's light or dark theme."""

import base64
import io
import re
from collections.abc import Sequence
from typing import Final

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from matinee.evaluate.plot_style import BASELINE, GRID, INK, MODEL, QUIET, Margins, set_margins

# The colours of a plot and the variables of style.css that replace them.
_COLORS: Final = {
    MODEL: "--model",
    BASELINE: "--baseline",
    QUIET: "--quiet",
    INK: "--ink",
    GRID: "--rule",
    "#ffffff": "--paper",
    "#000000": "--ink",
}
_COLOR: Final = re.compile("|".join(_COLORS))
_REFERENCE: Final = re.compile(r'(\bid="|href="#|url\(#)')
_FONT: Final = re.compile(r"font-family: [^;\"]*;? ?")  # the page's own is used
_LEFT_OUT: Final = re.compile(r"<metadata>.*?</metadata>|<style .*?</style>", re.DOTALL)
_OPENING: Final = re.compile(r"<svg[^>]* viewBox=\"([^\"]*)\"[^>]*>")
_WIDTH: Final = 4.4  # inches: letters of nine points have ten pixels on a phone
_LABEL_SIZE: Final = 9
_LETTER: Final = 0.075  # inches: width of a letter of the labels
_ZOOM: Final = 1.5  # pixels per point at most


def panel(
    *, height: float, labels: Sequence[str] = (), top: float = 0.1, bottom: float = 0.5
) -> tuple[Figure, Axes]:
    """A figure that is legible on a phone without scrolling.

    Args:
        height: Height in inches; all panels are equally wide.
        labels: Texts at the left axis; an axis without any has numbers and a name.
        top, bottom: Space above and below the axes, for legends and labels, in inches.
    """
    figure = Figure(figsize=(_WIDTH, height))
    axes = figure.subplots()
    left = 0.2 + _LETTER * max(map(len, labels)) if labels else 0.75
    set_margins(figure, Margins(left=left, right=0.22, top=top, bottom=bottom))
    axes.tick_params(labelsize=_LABEL_SIZE, color=QUIET, length=3)
    axes.xaxis.label.set_fontsize(_LABEL_SIZE)
    axes.yaxis.label.set_fontsize(_LABEL_SIZE)
    axes.spines[:].set_color(QUIET)
    return figure, axes


def inline_svg(figure: Figure, name: str, *, alt: str) -> Markup:
    """A figure as an SVG element.

    Args:
        figure: The figure; it has no background.
        name: A name that no other plot of the page has.
        alt: What the plot shows, for readers who do not see it.

    Returns:
        The element, safe to insert into a page. The same figure gives the same text.
    """
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set_visible(False)
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawn = file.getvalue()
    drawn = _FONT.sub("", _LEFT_OUT.sub("", drawn[drawn.index("<svg") :]))
    drawn = _COLOR.sub(lambda found: f"var({_COLORS[found[0]]})", _REFERENCE.sub(rf"\g<1>{name}-", drawn))
    start = _OPENING.match(drawn)
    assert start is not None  # nosec B101 # for mypy: matplotlib writes it
    width = start[1].split()[2]
    opening = (
        f'<svg class="plot" role="img" aria-label="{escape(alt)}" viewBox="{start[1]}" '
        f'style="max-width: {float(width) * _ZOOM:.0f}px">'
    )
    drawing = drawn[start.end() :].replace("xlink:href", "href")
    return Markup(opening + drawing)  # nosec B704 # matplotlib has escaped the texts


def data_url(png: bytes) -> str:
    """A PNG as an address that holds the picture itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
