"""A user of the UI starts a run from the form, gets an error for a wrong value, and opens every page of the run.

A foreign page in the same browser tries to do the same, and fails.

If MATINEE_PICTURES names a folder, screenshots of the pages are written to it.
"""

import http.server
import importlib.util
import json
import os
import re
import sys
import threading
import time
import urllib.error
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
    return f"{up.url}/deployments/deployment/{adhoc}/run"


@pytest.fixture(scope="module")
def page(up: Any) -> Iterator[Any]:
    """A tab after the login, high enough for a whole page."""
    with chrome.browser(1400, 1600) as tab:
        tab.open(up.url, until="Login")
        _take_picture(tab, "login")
        tab.evaluate("document.querySelector('input[type=password]').focus()")
        tab.call("Input.insertText", text=up.password)
        tab.click("Login")
        tab.wait_for("Flow Runs")
        yield tab


def _take_picture(page: Any, name: str) -> None:
    if folder := os.environ.get("MATINEE_PICTURES"):
        time.sleep(1.5)  # pictures in the page
        page.picture(Path(folder) / f"{name}.png")


_PATIENCE = """
    [...document.querySelectorAll('label')].filter(each => each.innerText.startsWith('Patience'))
        .map(each => (each.closest('.p-label') || each.parentElement).querySelector('input'))[0]
"""


def _set_patience(page: Any, value: str) -> None:
    """Type into the field until the value stays, because the form fills itself in after it is shown."""
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


def test_the_form_refuses_a_bad_value(page: Any, form: str, up: Any) -> None:
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
    page.wait_for("ingest: reading the files into a dataset")
    _take_picture(page, "run")
    of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    found = {each["key"]: each["id"] for each in up.ask("artifacts/filter", of_run) if each["key"]}
    assert found.keys() == SHOWN.keys()
    for key, text in SHOWN.items():
        shown = page.open(f"{up.url}/artifacts/artifact/{found[key]}", until=text)
        assert not re.search(r"&#\d+;|undefined|\\[_|]", shown)
        _take_picture(page, key)
    assert "broken" not in page.evaluate("document.title")


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


ATTEMPT = """(async () => {
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
})()"""


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1"])
def test_a_foreign_page_can_neither_read_nor_start_anything(
    up: Any, stranger: str, host: str, tmp_path: Path
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
    names = "".join(f"const {name} = {json.dumps(value)};" for name, value in words.items())
    with chrome.browser(800, 600, "--host-resolver-rules=MAP evil.example 127.0.0.1") as tab:
        tab.open(stranger.replace("evil.example", host), until="cats")
        assert tab.evaluate(f"{names} {ATTEMPT}") == ["refused"] * 7
        # A host name that resolves to this machine: the page has the origin of the server.
        rebound = up.url.replace("127.0.0.1", "evil.example")
        assert tab.open(f"{rebound}/api/admin/version", until="server").startswith(
            "This server does not have the host name that was requested."
        )
        words = tab.evaluate(f"{names.replace(up.url, rebound)} {ATTEMPT}")
        assert {word.partition(".")[0] for word in words} == {
            "This server does not have the host name that was requested",
            "refused",
        }
        # The same script on a page of the server itself, which reads the secret: so it is the guard that refused above.
        tab.open(up.url, until="Login")
        own = tab.evaluate(f"{names} {ATTEMPT}")
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
