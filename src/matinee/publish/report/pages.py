"""HTML pages from templates: self-contained, without a script, a request or markup from a user's text."""

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from matinee.errors.text import minute, signed
from matinee.publish.report.numbers import cell_text, columns, safe_text


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
    found.filters |= {"minute": minute, "columns": columns}
    return found


def render(template: str, **values: object) -> str:
    """A page.

    Args:
        template: A file of `templates/`.
        **values: What it shows. Text is escaped; only `Markup`, such as the plots of `plots.py`, is not.
    """
    return _environment().get_template(template).render(values)


def code_text(text: str) -> Markup:
    """A sentence of ours, in which backticks mark code; all else is escaped.

    >>> code_text("`matinee forget` & more")
    Markup('<code>matinee forget</code> &amp; more')
    """
    marked = re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text)))
    return Markup(marked)  # nosec B704 # it is escaped
