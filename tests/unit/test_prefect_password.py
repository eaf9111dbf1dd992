"""The password of the Prefect server: one file that only its owner can read, sent only to the owner's server."""

import os
import socket
import stat
from pathlib import Path

import pytest

from matinee.errors import ConfigError
from matinee.ops import prefect_password as password
from matinee.ops.prefect_password import VARIABLE, keep_password, owners_of, password_for, read_password
from matinee.ops.up import _check_owner

NAMES = (VARIABLE, "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_password_is_created_once_with_mode_0600(home: Path) -> None:
    os.umask(os.umask(0))
    path = home / "matinee.password"
    first = keep_password(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert keep_password(path) == first == read_password(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in home.iterdir()] == ["matinee.password"]
    assert keep_password(home / "other") != first


def test_the_password_is_sent_only_to_the_own_server_on_this_machine(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = keep_password(home / "matinee.password")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert owners_of(port) in ({os.geteuid()}, set())
        assert password_for(f"http://127.0.0.1:{port}/api") == secret
        assert password_for(f"http://prefect.example:{port}/api") is None
        monkeypatch.setattr(password.os, "geteuid", lambda: 4242)  # type: ignore[attr-defined]
        assert password_for(f"http://127.0.0.1:{port}/api") is None or not owners_of(port)
        monkeypatch.setenv(VARIABLE, str(home / "matinee.password"))  # a named file is used for any server
        assert password_for(f"http://prefect.example:{port}/api") == secret
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "a:given-one")
        assert password_for(f"http://127.0.0.1:{port}/api") == "a:given-one"


def test_no_worker_joins_a_server_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.ops.up.owners_of", lambda port: {os.geteuid() + 1000})
    with pytest.raises(ConfigError, match=r"A program of another user answers at http://127.0.0.1:4200/api"):
        _check_owner("http://127.0.0.1:4200/api")
    _check_owner("http://prefect.example:4200/api")
    monkeypatch.setattr("matinee.ops.up.owners_of", lambda port: {os.geteuid(), 0})
    _check_owner("http://127.0.0.1:4200/api")


def test_a_password_that_cannot_be_stored_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"can't be written to .*file/x"):
        keep_password(tmp_path / "file" / "x")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigError):  # a link without a target is not followed
        keep_password(tmp_path / "link")
    assert not (tmp_path / "nothing").exists()
