"""Settings of the Prefect server: its address, the accepted callers, and no start without protection."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.context import refresh_global_settings_context
from prefect.settings import get_current_settings

from matinee.errors import ConfigError
from matinee.ops import server
from matinee.ops.guard import Guard
from matinee.ops.prefect_password import VARIABLE

SETTINGS = ("HOST", "PORT", "AUTH_STRING", "CORS_ALLOWED_ORIGINS")
NAMES = ["PREFECT_UI_STATIC_DIRECTORY", VARIABLE, "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]
NAMES += [f"PREFECT_SERVER_API_{name}" for name in SETTINGS]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Prefect's default settings during the test; the earlier settings are restored."""
    with monkeypatch.context() as patched:
        for name in NAMES:
            patched.setenv(name, "")  # so changes during the test are undone
            patched.delenv(name)
        patched.setenv("PREFECT_HOME", str(tmp_path / "home"))
        refresh_global_settings_context()
        yield
    refresh_global_settings_context()


def test_the_server_accepts_only_its_own_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    server.prepare(["--port", "4321", "--no-scheduler"])
    assert "http://127.0.0.1:4321" in os.environ["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert "*" not in os.environ["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.7", "::", "build.example"])
def test_a_server_without_a_password_is_not_reachable_by_others(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="must ask for a password"):
        server.prepare(["--host", address])
    (tmp_path / "secret").write_text("user:a-password-in-a-file\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "secret"))
    server.prepare([f"--host={address}"])
    assert os.environ["PREFECT_SERVER_API_AUTH_STRING"] == "user:a-password-in-a-file"


def test_a_missing_password_file_starts_no_open_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "away"))
    with pytest.raises(ConfigError, match="No such file"):
        server.prepare([])


@pytest.mark.parametrize("words", [["--background"], ["-b"], ["--port", "http"], ["--port", "0"]])
def test_options_that_bypass_the_guard_are_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError):
        server.prepare(words)


def test_each_way_to_start_the_server_is_guarded() -> None:
    async def app(*_: Any) -> None:
        """A server."""

    calls: list[tuple[Any, dict[str, Any]]] = []

    def run(app: Any, **options: Any) -> None:
        calls.append((app, options))

    server._serve(run, app, port=1)
    server._serve(run, "prefect.server.api.server:create_app", workers=2)
    assert isinstance(calls[0][0], Guard)
    assert calls[0][1] == {"port": 1}
    assert calls[1] == ("matinee.ops.server:make_guarded", {"factory": True, "workers": 2})


def test_ui_files_go_to_the_home_if_the_package_is_read_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.set_pages()
    assert "PREFECT_UI_STATIC_DIRECTORY" not in os.environ
    monkeypatch.setattr(server.os, "access", lambda path, mode: False)  # a package of another user
    server.set_pages()
    assert os.environ["PREFECT_UI_STATIC_DIRECTORY"] == str(get_current_settings().home / "ui")
