"""People use the page of `matinee serve`: they search, compare, ask for reasons and rate, with the keyboard too.

If MATINEE_PICTURES names a folder, screenshots of the pages are written to it.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from accessibility import faults_for_readers
from page_checks import contrast
from playwright.sync_api import Browser, Page, expect
from small_release import write_checksums, write_release

from matinee.registry import Registry
from matinee.store.identity import make_store

HOSTILE = "<img src=x onerror=\"document.title='broken'\"> \u202eevil & <b>co</b>"
TOKEN = "a-token-of-some-length"
CONTROLS = (
    "link",
    "button",
    "combobox",
    "textbox",
    "searchbox",
    "radio",
    "checkbox",
    "spinbutton",
    "listbox",
)
ROOT = Path(__file__).parents[2]
Shows = Callable[[Page, str], str]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two releases; the title of movie 13 is markup."""
    root = tmp_path_factory.mktemp("page") / "store"
    make_store(root)
    for version, size in (("v0001", 2), ("v0002", 3)):
        folder = root / "releases" / version
        write_release(folder, users=9, movies=40, size=size, ranked=True)
        movies = pq.read_table(folder / "movies.parquet")
        titles = [HOSTILE if code == 1 else f"Movie {code}" for code in range(40)]
        place = movies.column_names.index("title")
        pq.write_table(movies.set_column(place, "title", pa.array(titles)), folder / "movies.parquet")
        write_checksums(folder, model="dot", ranking="0" * 32)
    Registry(root).promote("v0001")
    return root


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    with _served(store) as served:
        yield served


@contextlib.contextmanager
def _served(store: Path, **environment: str) -> Iterator[str]:
    command = [sys.executable, "-m", "matinee.cli", "serve", "--store", str(store), "--port", "0"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stderr is not None
        try:
            yield re.findall(r"http://\S+", process.stderr.readline())[0]
        finally:
            process.terminate()
        assert process.wait(20) == 0


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_page(viewport={"width": 1280, "height": 1000}) as tab:
        yield tab


def _check(page: Page, name: str) -> None:
    """The page has a name for each control, asks no other server, fits, and runs nothing of a title."""
    counts = [page.get_by_role(role).count() for role in CONTROLS]
    assert any(counts), name
    assert counts == [page.get_by_role(role, name=re.compile(r"\S")).count() for role in CONTROLS], name
    asked = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert all(each.startswith(page.evaluate("location.origin")) for each in asked)
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("main img, main b")).to_have_count(0)
    assert page.title() != "broken"
    for width in (400, 1280):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            faults = faults_for_readers(page, only_colors=theme == "dark")
            assert faults == [], (name, width, theme)
            if folder := os.environ.get("MATINEE_PICTURES"):
                page.screenshot(path=f"{folder}/serve-{name}-{width}-{theme}.png")


def test_a_movie_is_found_with_the_keyboard_and_its_title_is_text(
    page: Page, address: str, shows: Shows
) -> None:
    page.goto(address)
    assert re.search(r"\d ratings?$", shows(page, "Most rated movies"), re.M)
    _check(page, "home")
    search = page.get_by_role("combobox")
    search.fill("EVIL")
    expect(page.locator("#found [role=option]")).to_have_count(1)
    search.press("ArrowDown")
    expect(search).to_have_attribute("aria-activedescendant", "found-0")
    search.press("Enter")
    shows(page, "Similar movies")
    assert page.locator("h1 bdi").text_content() == HOSTILE
    expect(page.locator("h1")).to_be_focused()
    expect(page.locator("main ol > li")).to_have_count(20)
    _check(page, "movie")


def test_a_user_has_ratings_a_list_and_reasons_and_is_compared(
    page: Page, address: str, shows: Shows
) -> None:
    page.goto(f"{address}#/user/13")
    assert "because of" in shows(page, "What they rated")
    page.locator("summary").first.click()
    shows(page, "is the sum of what each rating adds")
    page.get_by_label("Compare with").select_option("v0002")
    text = shows(page, "List of v0002")
    assert "List of v0001, the champion" in text
    assert re.search(r"only here|\d+ in v0002", text)
    assert page.url.endswith("#/user/13?with=v0002")
    _check(page, "user")
    page.set_viewport_size({"width": 400, "height": 1000})
    tops = [page.locator("main section").nth(at).evaluate("each => each.offsetTop") for at in (0, 1)]
    assert tops[0] == tops[1], "a phone shows both lists at once"
    page.locator("summary").nth(2).click()
    shows(page, "is the sum of what each rating adds")
    rows = "each => [...each.querySelectorAll('ol > li')].map((row) => row.getBoundingClientRect().top)"
    left, right = (page.locator("main section").nth(at).evaluate(rows) for at in (0, 1))
    assert left == right and len(left) == 20, "the places of both lists are next to each other"


def test_whoever_types_an_id_gets_it(page: Page, address: str, shows: Shows) -> None:
    """User 23 and movie 23 come before a movie with 23 in its title."""
    page.goto(address)
    shows(page, "Most rated movies")
    search = page.get_by_role("combobox")
    search.fill("23")
    expect(page.locator("#found [role=option]")).to_have_text(
        [re.compile(each) for each in ("^User 23$", "^Movie 2 ?", "^Movie 23")]
    )
    search.press("Enter")
    shows(page, "What they rated")
    assert page.url.endswith("#/user/23")


def test_a_guest_rates_with_the_keyboard_and_the_list_changes(page: Page, address: str, shows: Shows) -> None:
    page.goto(f"{address}#/guest")
    shows(page, "Rate a movie, and your list appears here.")
    stars = page.locator(".stars").first.get_by_role("radio")
    stars.first.press("Space")
    mine = page.locator("section:last-child")
    expect(mine.locator("ol > li")).to_have_count(20)
    first = mine.inner_text()
    for star in range(4):
        stars.nth(star).press("ArrowRight")
    expect(stars.nth(4)).to_be_checked()
    expect(mine).not_to_have_text(first, use_inner_text=True)
    expect(page.get_by_role("status")).to_have_text(re.compile("Your list changed. First: "))
    shows(page, "Your list (1)")
    _check(page, "guest")
    page.locator(".clear:visible").first.click()
    shows(page, "Rate a movie, and your list appears here.")
    page.get_by_label("Find movies").fill("no such title")
    shows(page, "Nothing found.")


def test_an_unknown_movie_and_a_wrong_filter_are_explained(page: Page, address: str, shows: Shows) -> None:
    page.goto(f"{address}#/movie/4")
    assert "does not know movie 4" in shows(page, "No answer")
    page.goto(f"{address}#/user/13?from=1999&to=1990")
    shows(page, "expected the earlier year first")


def test_a_server_with_a_token_asks_for_it(page: Page, store: Path, shows: Shows) -> None:
    with _served(store, MATINEE_SERVE_TOKEN=TOKEN) as address:
        page.goto(address)
        shows(page, "This server needs a token")
        expect(page.get_by_role("textbox", name="Token")).to_be_focused()
        assert "The token is wrong." not in page.inner_text("dialog")
        page.keyboard.insert_text("another token")
        page.keyboard.press("Enter")
        shows(page, "The token is wrong.")
        page.keyboard.insert_text(TOKEN)
        page.keyboard.press("Enter")
        shows(page, "Most rated movies")
        _check(page, "token")


def test_the_colors_of_both_themes_can_be_read() -> None:
    style = (ROOT / "src/matinee/serve/page/style.css").read_text()
    themes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert len(themes) == 2
    for theme, text, ground in product(themes, ("ink", "quiet", "model", "star", "bad"), ("paper", "shade")):
        assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
