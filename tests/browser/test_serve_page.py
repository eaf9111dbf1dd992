"""People use the page of `matinee serve`: they search, compare, ask for reasons and rate, with the keyboard too.

If MATINEE_PICTURES names a folder, screenshots of the pages are written to it.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from page_checks import contrast
from small_release import write_checksums, write_release

from matinee.registry import Registry
from matinee.store.identity import make_store

sys.path.insert(0, str(Path(__file__).parent))
import chrome

pytestmark = pytest.mark.skipif(
    chrome.find_chromium() is None, reason="no Chromium on the PATH (Debian: apt-get install chromium)"
)

HOSTILE = "<img src=x onerror=\"document.title='broken'\"> \u202eevil & <b>co</b>"
TOKEN = "a-token-of-some-length"
ROOT = Path(__file__).parents[2]


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
    yield from _served(store)


def _served(store: Path, **environment: str) -> Iterator[str]:
    command = [sys.executable, "-m", "matinee.cli", "serve", "--store", str(store), "--port", "0"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stderr is not None
        yield re.findall(r"http://\S+", process.stderr.readline())[0]
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def tab() -> Iterator[Any]:
    with chrome.browser(1280, 1000) as page:
        yield page


def _press(tab: Any, *keys: str) -> None:
    for key in keys:
        for kind in ("keyDown", "keyUp"):
            text = {"Enter": "\r", "Space": " "}.get(key, "") if kind == "keyDown" else ""
            tab.call(
                "Input.dispatchKeyEvent", type=kind, key=" " if key == "Space" else key, code=key, text=text
            )


def _until(tab: Any, condition: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not tab.evaluate(condition):
        assert time.monotonic() < deadline, f"{condition}\n{tab.text()}"
        time.sleep(0.05)


def _check(tab: Any, name: str) -> None:
    """The page has a name for each control, asks no other server, fits, and runs nothing of a title."""
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    asked = {
        "link",
        "button",
        "combobox",
        "textbox",
        "searchbox",
        "radio",
        "checkbox",
        "spinbutton",
        "listbox",
    }
    controls = [each for each in nodes if not each["ignored"] and each["role"]["value"] in asked]
    assert controls and all(each["name"]["value"].strip() for each in controls), name
    assert tab.evaluate(
        "performance.getEntriesByType('resource').every(each => each.name.startsWith(location.origin))"
    )
    assert tab.evaluate(
        "document.querySelectorAll('h1').length === 1 && !document.querySelector('main img, main b')"
    )
    assert tab.evaluate("document.title") != "broken"
    for width in (400, 1280):
        tab.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False
        )
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        for theme in ("dark", "light"):
            if folder := os.environ.get("MATINEE_PICTURES"):
                tab.call(
                    "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}]
                )
                tab.picture(Path(folder) / f"serve-{name}-{width}-{theme}.png")


def test_a_movie_is_found_with_the_keyboard_and_its_title_is_text(tab: Any, address: str) -> None:
    tab.open(address, until="Most rated movies")
    _check(tab, "home")
    tab.evaluate("document.getElementById('words').focus()")
    tab.call("Input.insertText", text="EVIL")
    _until(tab, "document.querySelectorAll('#found [role=option]').length === 1")
    _press(tab, "ArrowDown")
    assert tab.evaluate("document.querySelector('#words').getAttribute('aria-activedescendant')") == "found-0"
    _press(tab, "Enter")
    tab.wait_for("Similar movies")
    assert tab.evaluate("document.querySelector('h1 bdi').textContent") == HOSTILE
    assert tab.evaluate("document.activeElement.tagName") == "H1"
    assert tab.evaluate("document.querySelectorAll('main ol > li').length") == 20
    _check(tab, "movie")


def test_a_user_has_ratings_a_list_and_reasons_and_is_compared(tab: Any, address: str) -> None:
    tab.open(f"{address}#/user/13", until="What they rated")
    assert "because of" in tab.text()
    tab.evaluate("document.querySelector('details').open = true")
    tab.wait_for("is the sum of what each rating adds")
    select = "document.getElementById('with')"
    tab.evaluate(f"{select}.value = 'v0002'; {select}.dispatchEvent(new Event('change', {{bubbles: true}}))")
    assert "List of v0001, the champion" in tab.wait_for("List of v0002")
    assert re.search(r"only here|\d+ in v0002", tab.text())
    assert tab.evaluate("location.hash") == "#/user/13?with=v0002"
    _check(tab, "user")


def test_a_guest_rates_with_the_keyboard_and_the_list_changes(tab: Any, address: str) -> None:
    tab.open(f"{address}#/guest", until="Rate a movie, and your list appears here.")
    star = "document.querySelectorAll('.stars')[{}].querySelectorAll('input')[{}]"
    tab.evaluate(f"{star.format(0, 0)}.focus()")
    _press(tab, "Space")
    _until(tab, "document.querySelectorAll('section:last-child ol > li').length === 20")
    first = tab.evaluate("document.querySelector('section:last-child').innerText")
    _press(tab, "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight")
    _until(tab, f"{star.format(0, 4)}.checked")
    _until(tab, f"document.querySelector('section:last-child').innerText !== {json.dumps(first)}")
    assert tab.evaluate("document.getElementById('said').textContent").startswith(
        "Your list changed. First: "
    )
    assert "Your list (1)" in tab.text()
    _check(tab, "guest")
    tab.evaluate("document.querySelector('.clear:not([hidden])').click()")
    tab.wait_for("Rate a movie, and your list appears here.")


def test_an_unknown_movie_and_a_wrong_filter_are_explained(tab: Any, address: str) -> None:
    assert "does not know movie 4" in tab.open(f"{address}#/movie/4", until="No answer")
    tab.open(f"{address}#/user/13?from=1999&to=1990", until="expected the earlier year first")


def test_a_server_with_a_token_asks_for_it(store: Path) -> None:
    for address in _served(store, MATINEE_SERVE_TOKEN=TOKEN):
        with chrome.browser() as tab:
            tab.open(address, until="This server needs a token")
            tab.call("Input.insertText", text=TOKEN)
            _press(tab, "Enter")
            tab.wait_for("Most rated movies")
            _check(tab, "token")


def test_the_colors_of_both_themes_can_be_read() -> None:
    style = (ROOT / "src/matinee/serve/page/style.css").read_text()
    themes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert len(themes) == 2
    for theme, text, ground in product(themes, ("ink", "quiet", "model", "star", "bad"), ("paper", "shade")):
        assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
