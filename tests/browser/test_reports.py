"""Pages for people, open in a browser: nothing is cut off, and a screen reader can use them."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from accessibility import faults_for_readers
from playwright.sync_api import Browser

from matinee.cli.main import main
from matinee.settings import Settings
from matinee.store import Store

# The texts of plots, and the pictures, of which a reader sees only a part.
CUT = """[...document.querySelectorAll("svg.plot text, main img")].filter((each) => {
  const box = each.getBoundingClientRect();
  const sheet = (each.closest("svg") ?? each).getBoundingClientRect();
  const room = each.closest(".scroll")?.getBoundingClientRect().right ?? innerWidth;
  return box.left < sheet.left - 1 || box.right > sheet.right + 1 || sheet.right > room + 1;
}).map((each) => each.textContent || each.alt)"""


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, sample: Path, steps: Callable[..., object], pictures: None
) -> list[Path]:
    """The report of a release, and its comparison with itself."""
    store = Store(tmp_path_factory.mktemp("reports") / "store")
    steps(store, sample / "ratings.csv", sample / "movie_titles.csv", Settings())
    compared = store.root.parent / "compare.html"
    assert (
        main(["compare", "v0001", "v0001", "--store", str(store.root), "--out", str(compared), "--quiet"])
        == 0
    )
    return [store.root / "releases" / "v0001" / "report.html", compared]


def test_pages_are_read_on_small_and_wide_screens_in_both_themes(browser: Browser, pages: list[Path]) -> None:
    for path, width, theme in product(pages, (400, 1280), ("light", "dark")):
        with browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme) as page:
            page.goto(path.as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path.name, width)
            assert page.evaluate(CUT) == [], (path.name, width)
            faults = faults_for_readers(page, only_colors=theme == "dark")
            assert faults == [], (path.name, width, theme)


def test_a_phone_shows_the_verdict_of_a_comparison_without_scrolling(
    browser: Browser, pages: list[Path]
) -> None:
    with browser.new_page(viewport={"width": 400, "height": 900}) as page:
        page.goto(pages[1].as_uri())
        verdict = page.locator("#figures ~ .scroll tbody td", has_text="no difference").first.bounding_box()
        assert verdict is not None and verdict["x"] + verdict["width"] <= 400


def test_a_phone_shows_the_last_releases_without_scrolling(browser: Browser, pages: list[Path]) -> None:
    with browser.new_page(viewport={"width": 400, "height": 900}) as page:
        page.goto(pages[0].as_uri())
        table = page.get_by_role("region", name="The last releases, newest")
        assert table.evaluate("each => each.scrollWidth <= each.clientWidth")
        lines = table.locator("td").first.evaluate("each => each.getBoundingClientRect().height")
        assert lines < 60, "a time has two lines at most"
