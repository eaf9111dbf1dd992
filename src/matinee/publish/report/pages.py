"""HTML pages from templates: self-contained, without a script, a request or markup from a user's text."""

import re
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from matinee.errors.text import minute, signed
from matinee.publish.report.numbers import cell_text, columns, safe_text

_TIME: Final = re.compile(r"\b(\d{4}-\d\d-\d\d) (\d\d:\d\d UTC)")


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("matinee.publish.report"),
        autoescape=True,  # titles and ids can hold any text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"cell": cell_text, "code_text": code_text, "signed": signed, "safe_text": safe_text}
    found.filters |= {
        "minute": minute,
        "columns": columns,
        "breakable": breakable,
        "whole_times": whole_times,
    }
    return found


def render(template: str, **values: object) -> str:
    """A page.

    Args:
        template: A file of `templates/`.
        **values: What it shows. Text is escaped; only `Markup`, such as the plots of `plots.py`, is not.
    """
    return _environment().get_template(template).render(values)


def breakable(name: str) -> Markup:
    """The heading of a column, which a narrow screen breaks after the dots and underscores of a setting too.

    >>> breakable("train.lr_step"), breakable("a < b")
    (Markup('train.<wbr>lr_<wbr>step'), Markup('a &lt; b'))
    """
    marked = re.sub(r"(?<=\w[._])(?=\w)", "<wbr>", str(escape(safe_text(name))))
    return Markup(marked)  # nosec B704 # it is escaped


def whole_times(text: str) -> Markup:
    """A text whose times are broken between date and hour alone, not at the hyphens.

    >>> whole_times("2026-11-27 17:27 UTC")
    Markup('<span class="whole">2026-11-27</span> <span class="whole">17:27 UTC</span>')
    """
    marked = _TIME.sub(r'<span class="whole">\1</span> <span class="whole">\2</span>', str(escape(text)))
    return Markup(marked)  # nosec B704 # it is escaped


def code_text(text: str) -> Markup:
    """A sentence of ours, in which backticks mark code; all else is escaped.

    >>> code_text("`matinee forget` & more")
    Markup('<code>matinee forget</code> &amp; more')
    """
    marked = re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text)))
    return Markup(marked)  # nosec B704 # it is escaped
