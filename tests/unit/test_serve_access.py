"""Access to the server: the token, foreign pages, other machines, and limits on requests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from served import HERE, asking, write_served_store

from matinee.cli.main import main
from matinee.errors import ConfigError
from matinee.serve import admission
from matinee.serve.loaded_releases import LoadedReleases
from matinee.serve.server import protected, read_token

TOKEN = "a-token-of-some-length"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_served_store(tmp_path / "store")


def test_the_token_is_needed_and_foreign_pages_are_refused(store: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    ask = asking(LoadedReleases(store), token=TOKEN)
    for header, why in (
        (None, "needs a token"),
        ("Bearer x", "The token is wrong."),
        (f"Basic {TOKEN}", "needs a token"),
        ("Bearer ", "needs a token"),
    ):
        refused = ask("/search", headers={} if header is None else {"authorization": header})
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
        assert why in refused.json()["error"]
    assert ask("/search", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert ask("/metrics").status_code == 401
    assert ask("/healthz").status_code == ask("/").status_code == 200
    assert ask("/healthz", headers={"host": "evil.example"}).status_code == 403
    assert ask("/healthz", headers={"origin": "http://evil.example"}).status_code == 403
    answer = ask("/healthz", headers={"origin": HERE})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_requests_beyond_the_limits_are_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = LoadedReleases(store)
    monkeypatch.setattr(admission, "MOST_ACTIVE", 2)
    monkeypatch.setattr(admission, "BODY_SECONDS", 0.01)
    app = protected(loaded, host="127.0.0.1", port=8000, token=None)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async def crowd() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            many = await asyncio.gather(*(client.get("/search") for _ in range(5)))
            return [*many, await client.post("/predict", content=slowly())]

    *many, slow = asyncio.run(crowd())
    assert Counter(each.status_code for each in many) == {200: 2, 503: 3}
    assert {each.headers.get("retry-after") for each in many} == {None, "1"}
    assert slow.status_code == 408 and "did not arrive within" in slow.json()["error"]


def test_a_release_that_is_not_there_is_a_wrong_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--release", str(tmp_path / "v0009")]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_the_token_is_read_from_a_private_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file) == TOKEN
    file.write_text("short")
    with pytest.raises(ConfigError, match="16 to 400"):
        read_token(file)
    monkeypatch.setenv("MATINEE_SERVE_TOKEN", TOKEN)
    assert read_token(None) == TOKEN


def test_a_server_for_other_machines_needs_a_token(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MATINEE_SERVE_TOKEN", raising=False)
    assert main(["serve", "--store", str(store), "--host", "0.0.0.0"]) == 2
    assert "no token was given" in capsys.readouterr().err
    assert main(["serve", "--store", str(store), "--port", "70000"]) == 2
