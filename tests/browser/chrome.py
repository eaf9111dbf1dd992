"""Headless Chromium over its DevTools protocol: open a page, read its text, run a script, take a picture."""

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The path of a Chromium, if there is one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol; returns its answer."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def text(self) -> str:
        """The visible text."""
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def open(self, url: str, *, until: str) -> str:
        """Open an address and wait until the page shows a text; returns all of its text."""
        self.call("Page.navigate", url=url)
        return self.wait_for(until)

    def wait_for(self, text: str, seconds: float = 40) -> str:
        """Wait until the page shows a text; returns all of its text."""
        deadline = time.monotonic() + seconds
        while text not in (shown := self.text()):
            assert time.monotonic() < deadline, f"{text!r} is not on the page:\n{shown}"
            time.sleep(0.2)
        return shown

    def click(self, text: str) -> None:
        """Click the innermost visible element that shows exactly this text."""
        found = self.evaluate(
            f"""(() => {{
                const shown = [...document.querySelectorAll('button, a, [role=tab], [role=button], span, div')]
                    .filter(each => each.offsetParent && each.innerText?.trim() === {json.dumps(text)});
                if (shown.length) shown.at(-1).click();
                return shown.length;
            }})()"""
        )
        assert found, f"nothing to click says {text!r}:\n{self.text()}"

    def picture(self, path: Path) -> None:
        """A screenshot as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def browser(width: int = 1400, height: int = 1000, *flags: str) -> Iterator[Page]:
    """A Chromium with one tab, ended after the block; `flags` are added to its command line."""
    program = find_chromium()
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *flags, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [
            f"--user-data-dir={profile}",
            "--remote-debugging-port=0",
            f"--window-size={width},{height}",
        ]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            try:
                port = _port(Path(profile) / "DevToolsActivePort")
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
                    tab = next(each for each in json.load(answer) if each["type"] == "page")
                with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
                    yield Page(socket)
            finally:
                process.terminate()


def _port(path: Path) -> int:
    deadline = time.monotonic() + 30
    while not (path.is_file() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return int(path.read_text().split()[0])
