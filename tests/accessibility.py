"""What axe-core finds on a page that is open in a browser."""

from functools import cache

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def faults_for_readers(page: Page, *, only_colors: bool = False) -> list[str]:
    """The rules of WCAG and good practice that the page breaks, each with the element it is about.

    Of a page whose other theme was checked in full, only the colors can be wrong.
    """
    # Without `resultTypes` it also names every element that passes: a megabyte for each page.
    options = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if only_colors else {})
    found = _axe().run(page, options=options).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:120]}" for each in found for node in each["nodes"]
    ]


@cache
def _axe() -> Axe:
    return Axe()
