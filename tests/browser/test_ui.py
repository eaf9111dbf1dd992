"""A user of the UI starts a run from the form, gets an error for a wrong value, and opens every page of the run.

A foreign page in the same browser tries to do the same, and fails.

If MATINEE_PICTURES names a folder, screenshots of the pages are written to it.
"""

import http.server
import os
import re
import threading
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from running import wait_until

pytestmark = pytest.mark.usefixtures("browser")

TRICKY = "9,9,<script>document.title='broken'</script> | `x` **y**,2005-01-01\n"
SHOWN = {
    "data": "<script>document.title='broken'</script> | `x` **y**",
    "training-progress": "100%",
    "learning-curve": "train.learning_rate",
    "evaluation": "bias-only",
    "gate": "bias_only",
    "card": "Limits",
    "release": "matinee.load(",
}
LISTS = "lists for a promoted release"
Shows = Callable[[Page, str], str]


@pytest.fixture(scope="module")
def form(up: Any, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the form, filled in for sample data with one row of markup."""
    folder = tmp_path_factory.mktemp("netflix")
    (folder / "ratings.csv").write_text((sample / "ratings.csv").read_text() + TRICKY)
    parameters = {
        "ratings": [str(folder / "ratings.csv")],
        "titles": str(sample / "movie_titles.csv"),
        "store": str(folder / "store"),
    }
    adhoc = up.ask("deployments/name/retrain/adhoc")["id"]
    up.ask(f"deployments/{adhoc}", {"parameters": parameters}, method="PATCH")
    (lists,) = [each["id"] for each in up.ask("automations/filter", {}) if LISTS in each["name"]]
    up.ask(f"automations/{lists}", {"enabled": False}, method="PATCH")  # no second run after that of the form
    return f"{up.url}/deployments/deployment/{adhoc}/run"


@pytest.fixture(scope="module")
def page(browser: Browser, up: Any, shows: Shows) -> Iterator[Page]:
    """A tab after the login, high enough for a whole page."""
    with browser.new_page(viewport={"width": 1400, "height": 1600}) as tab:
        tab.goto(up.url)
        shows(tab, "Login")
        _take_picture(tab, "login")
        tab.locator("input[type=password]").fill(up.password)
        tab.get_by_role("button", name="Login").click()
        shows(tab, "Flow Runs")
        yield tab


def _take_picture(page: Page, name: str) -> None:
    if folder := os.environ.get("MATINEE_PICTURES"):
        page.wait_for_load_state("networkidle")  # pictures in the page
        page.screenshot(path=f"{folder}/{name}.png")


def _open(page: Page, path: str) -> None:
    """Follow a link of the UI: the program of the page stays, which takes a second to start."""
    page.evaluate(
        "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }", path
    )


def _open_form(page: Page, form: str) -> Locator:
    """Open the form and wait until it has filled itself in: before that, it is shown but loses what a user does.

    Returns the field of the setting `patience`.
    """
    page.goto(form)
    filled = (
        "() => [...document.querySelectorAll('input, textarea')].some(each => each.value.endsWith('/store'))"
    )
    page.wait_for_function(filled, timeout=60_000)
    page.wait_for_load_state("networkidle")
    return page.locator(".p-label", has_text=re.compile("^Patience")).locator("input")


def _submit(page: Page, form: str) -> None:
    """Start a run from the form; again, as a user would, where a busy browser loses the click."""
    for _ in range(3):
        _open_form(page, form)
        _take_picture(page, "form")
        try:
            with page.expect_response("**/create_flow_run", timeout=40_000) as created:
                page.get_by_role("button", name="Submit").click()
        except PlaywrightTimeout:
            continue
        assert created.value.status == 201, created.value.text()
        return
    pytest.fail(f"the form was not sent; it shows: {page.inner_text('body')}")


def test_the_form_refuses_a_bad_value(page: Page, form: str, up: Any, shows: Shows) -> None:
    _open_form(page, form).fill("-1")
    page.get_by_role("button", name="Submit").click()
    shows(page, "minimum")
    assert _runs_of(form, up) == []


def test_a_run_from_the_form_shows_every_page(page: Page, form: str, up: Any, shows: Shows) -> None:
    _submit(page, form)
    page.goto("about:blank")  # the page of a run that goes on takes more time than the run
    run = _wait_for_run(form, up)
    page.goto(up.url)
    assert run["name"] == f"retrain {_folder_of(run)} 40.0k dot fast"
    _open(page, f"/runs/flow-run/{run['id']}")
    shows(page, "Completed")
    shows(page, "ingest: reading the files into a dataset")
    _take_picture(page, "run")
    of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    found = {each["key"]: each["id"] for each in up.ask("artifacts/filter", of_run) if each["key"]}
    assert found.keys() >= SHOWN.keys()
    assert all(key.endswith("-progress") for key in found.keys() - SHOWN.keys())  # of slow steps
    for key, text in SHOWN.items():
        _open(page, f"/artifacts/artifact/{found[key]}")
        assert not re.search(r"&#\d+;|undefined|\\[_|]", shows(page, text))
        _take_picture(page, key)
    assert "broken" not in page.title()


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    """The address of a foreign web page, by host name and by number."""

    class Blank(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<body>a page about cats</body>")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://evil.example:{server.server_port}"
        server.shutdown()


ATTEMPT = """async ({API, PASSWORD, PLANTED, DEPLOYMENT}) => {
    const json = {'Content-Type': 'application/json'}, secret = {...json, Authorization: 'Basic ' + btoa(PASSWORD)};
    const read = async (path, options) => {
        try { return await (await fetch(API + path, options)).text(); } catch (error) { return 'refused'; }
    };
    const socket = await new Promise(resolve => {
        const opened = new WebSocket(API.replace('http', 'ws') + 'events/out', ['prefect']);
        opened.onopen = () => resolve('open');
        opened.onerror = () => resolve('refused');
    });
    const run = JSON.stringify({job_variables: {command: 'touch ' + PLANTED}, state: {type: 'SCHEDULED'}});
    const start = `deployments/${DEPLOYMENT}/create_flow_run`;
    await fetch(API + start, {method: 'POST', mode: 'no-cors', body: new Blob([run])}).catch(() => {});
    return [
        await read('admin/version', {}),
        await read('flow_runs/filter', {method: 'POST', headers: json, body: '{}'}),
        await read(start, {method: 'POST', headers: json, body: run}),
        await read(start, {method: 'POST', headers: secret, body: run}),
        await read(start, {method: 'POST', headers: secret, body: run.replace('command', 'env')}),
        await read('block_documents/filter', {method: 'POST', headers: secret, body: '{"include_secrets": true}'}),
        socket,
    ];
}"""


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1"])
def test_a_foreign_page_can_neither_read_nor_start_anything(
    browser: Browser, up: Any, stranger: str, host: str, tmp_path: Path, shows: Shows
) -> None:
    planted = tmp_path / "planted"
    adhoc = up.ask("deployments/name/retrain/adhoc")["id"]
    of_adhoc = {"deployments": {"id": {"any_": [adhoc]}}}
    before = up.ask("flow_runs/count", of_adhoc)
    hook = _keep_secret(up, f"hook-{host.replace('.', '-')}")
    words = {
        "API": f"{up.url}/api/",
        "PASSWORD": up.password,  # as if the browser sent it with any request
        "PLANTED": str(planted),
        "DEPLOYMENT": adhoc,
    }
    with browser.new_page() as tab:
        tab.goto(stranger.replace("evil.example", host))
        assert tab.evaluate(ATTEMPT, words) == ["refused"] * 7
        # A host name that resolves to this machine: the page has the origin of the server.
        rebound = up.url.replace("127.0.0.1", "evil.example")
        tab.goto(f"{rebound}/api/admin/version")
        why = "This server does not have the host name that was requested"
        assert shows(tab, "server").startswith(f"{why}.")
        answers = tab.evaluate(ATTEMPT, {**words, "API": f"{rebound}/api/"})
        assert {answer.partition(".")[0] for answer in answers} == {why, "refused"}
        # The same script on a page of the server itself, which reads the secret: so it is the guard that refused above.
        tab.goto(f"{up.url}/api/health")  # the UI takes seconds to load
        own = tab.evaluate(ATTEMPT, words)
        assert hook in own[5] and own[6] == "open"
        assert hook not in "".join(own[:5])
    assert up.ask("flow_runs/count", of_adhoc) == before
    assert not planted.exists()


def _keep_secret(up: Any, name: str) -> str:
    """Put the secret address of a webhook into a block; returns the address."""
    address = f"https://hooks.example/{name}"
    kind = up.ask("block_types/slug/secret")["id"]
    (schema,) = up.ask(
        "block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}, "limit": 1}
    )
    ids = {"block_type_id": kind, "block_schema_id": schema["id"]}
    up.ask("block_documents/", {"name": name, "data": {"value": address}, **ids})
    return address


def test_a_run_cannot_set_the_command_of_the_worker(up: Any, tmp_path: Path) -> None:
    adhoc = up.ask("deployments/name/retrain/adhoc")["id"]
    for variable in ("command", "env", "working_dir", "env.PATH"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            up.ask(f"deployments/{adhoc}/create_flow_run", {"job_variables": {variable: "x"}})
        assert refused.value.code in (409, 422)


def _runs_of(form: str, up: Any) -> list[dict[str, Any]]:
    """The runs of the form's deployment, without the scheduled runs of the nightly deployment."""
    deployment = form.split("/")[-2]
    of_form = {"deployments": {"id": {"any_": [deployment]}}}
    runs: list[dict[str, Any]] = up.ask("flow_runs/filter", of_form)
    return runs


def _wait_for_run(form: str, up: Any) -> dict[str, Any]:
    def ended() -> list[dict[str, Any]]:
        return [run for run in _runs_of(form, up) if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]

    run = wait_until(ended, 120)[0]
    assert run["state_type"] == "COMPLETED", run
    return run


def _folder_of(run: dict[str, Any]) -> str:
    return Path(run["parameters"]["ratings"][0]).parent.name
