"""HTML pages from templates: self-contained, without a script, a request or markup from a user's text."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from matinee.report.numbers import cell_text, is_number, safe_text, signed


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("matinee.report"),
        autoescape=True,  # titles and ids can hold any text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"cell": cell_text, "signed": signed, "safe_text": safe_text}
    found.tests["number"] = is_number
    return found


def render(template: str, **values: object) -> str:
    """A page.

    Args:
        template: A file of `templates/`.
        **values: What it shows. Text is escaped; only `Markup`, such as the plots of `matinee.report.plots`, is not.
    """
    return _environment().get_template(template).render(values)
