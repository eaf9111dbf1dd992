"""What axe-core finds on a page that is open in a browser."""

from functools import cache

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def faults_for_readers(page: Page) -> list[str]:
    """The rules of WCAG and good practice that the page breaks, each with the element it is about."""
    found = _axe().run(page).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:120]}" for each in found for node in each["nodes"]
    ]


@cache
def _axe() -> Axe:
    return Axe()
