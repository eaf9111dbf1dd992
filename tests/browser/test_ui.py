"""A person in the UI: starts a run from the form, is told of a wrong value, opens every page of the run.

With MATINEE_PICTURES set to a folder the pages are photographed into it.
"""

import importlib.util
import json
import os
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load_chrome() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chrome", Path(__file__).with_name("chrome.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


chrome = _load_chrome()
pytestmark = pytest.mark.skipif(
    chrome.find_chromium() is None, reason="no Chromium on the PATH (Debian: apt-get install chromium)"
)

TRICKY = "9,9,<script>document.title='broken'</script> | `x` **y**,2005-01-01\n"
SHOWN = {
    "data": "<script>document.title='broken'</script> | `x` **y**",
    "training-progress": "100%",
    "learning-curve": "train.learning_rate",
    "evaluation": "bias only",
    "gate": "bias_only",
    "card": "Limits",
    "release": "matinee.load(",
}


@pytest.fixture(scope="module")
def form(up: Any, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The form's address; it is filled in for sample data with one row of markup."""
    folder = tmp_path_factory.mktemp("netflix")
    (folder / "ratings.csv").write_text((sample / "ratings.csv").read_text() + TRICKY)
    parameters = {
        "ratings": [str(folder / "ratings.csv")],
        "titles": str(sample / "movie_titles.csv"),
        "store": str(folder / "store"),
    }
    adhoc = _ask(f"{up.url}/api/deployments/name/retrain/adhoc")["id"]
    _ask(f"{up.url}/api/deployments/{adhoc}", {"parameters": parameters}, method="PATCH")
    return f"{up.url}/deployments/deployment/{adhoc}/run"


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A tab, high enough for a whole page."""
    with chrome.browser(1400, 1600) as tab:
        yield tab


def _ask(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def _take_picture(page: Any, name: str) -> None:
    if folder := os.environ.get("MATINEE_PICTURES"):
        time.sleep(1.5)  # pictures inside the page
        page.picture(Path(folder) / f"{name}.png")


_PATIENCE = """
    [...document.querySelectorAll('label')].filter(each => each.innerText.startsWith('Patience'))
        .map(each => (each.closest('.p-label') || each.parentElement).querySelector('input'))[0]
"""


def _set_patience(page: Any, value: str) -> None:
    """Type into the field until it stays: the form fills itself in some time after it is shown."""
    set_it = f"""(() => {{
        const input = {_PATIENCE};
        if (!input) return;
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, '{value}');
        for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind, {{bubbles: true}}));
    }})()"""
    stayed, deadline = 0, time.monotonic() + 40
    while stayed < 3:
        assert time.monotonic() < deadline, f"the field does not keep {value}"
        if page.evaluate(f"({_PATIENCE})?.value") == value:
            stayed += 1
        else:
            stayed = 0
            page.evaluate(set_it)
        time.sleep(0.5)


def test_a_bad_value_is_refused(page: Any, form: str, up: Any) -> None:
    page.open(form, until="Patience")
    _set_patience(page, "-1")
    page.click("Submit")
    page.wait_for("minimum")
    assert _runs_of(form, up) == []


def test_a_run_from_the_form_shows_every_page(page: Any, form: str, up: Any) -> None:
    page.open(form, until="Patience")
    time.sleep(1)
    _take_picture(page, "form")
    page.click("Submit")
    run = _wait_for_run(form, up)
    assert run["name"] == f"retrain {_folder_of(run)} 40.0k dot fast"
    page.open(f"{up.url}/runs/flow-run/{run['id']}", until="Completed")
    page.wait_for("ingest: Read ratings")
    _take_picture(page, "run")
    of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    found = {
        each["key"]: each["id"] for each in _ask(f"{up.url}/api/artifacts/filter", of_run) if each["key"]
    }
    assert found.keys() == SHOWN.keys()
    for key, text in SHOWN.items():
        shown = page.open(f"{up.url}/artifacts/artifact/{found[key]}", until=text)
        assert not re.search(r"&#\d+;|undefined|\\[_|]", shown)
        _take_picture(page, key)
    assert "broken" not in page.evaluate("document.title")


def _runs_of(form: str, up: Any) -> list[dict[str, Any]]:
    """The runs of the form's deployment; the nightly one has scheduled some of its own."""
    deployment = form.split("/")[-2]
    runs: list[dict[str, Any]] = _ask(
        f"{up.url}/api/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}}
    )
    return runs


def _wait_for_run(form: str, up: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        runs = _runs_of(form, up)
        if runs and runs[0]["state_type"] in ("COMPLETED", "FAILED", "CRASHED"):
            assert runs[0]["state_type"] == "COMPLETED", runs[0]
            run: dict[str, Any] = runs[0]
            return run
        assert time.monotonic() < deadline, runs
        time.sleep(0.5)


def _folder_of(run: dict[str, Any]) -> str:
    return Path(run["parameters"]["ratings"][0]).parent.name
