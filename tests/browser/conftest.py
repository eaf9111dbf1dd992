"""Pages of the Chromium of this machine, driven by playwright."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=40_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, for which evil.example is a name of this machine."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium on the PATH (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        resolved = ["--host-resolver-rules=MAP evil.example 127.0.0.1"]
        yield playwright.chromium.launch(executable_path=program, args=[*resolved, "--disable-gpu"])


@pytest.fixture(scope="session")
def shows() -> Callable[[Page, str], str]:
    """Waits until a page shows a text; returns all of its visible text."""

    def wait(page: Page, text: str) -> str:
        expect(page.locator("body")).to_contain_text(text, use_inner_text=True)
        return page.inner_text("body")

    return wait
