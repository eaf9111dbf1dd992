"""The guard of the Prefect server accepts only its own host names and pages, also on websockets."""

import asyncio
from typing import Any

import pytest

from matinee.errors import ConfigError
from matinee.ops.guard import HOSTS_VARIABLE, Guard

HERE = "127.0.0.1:4200"


def _ask(guard: Guard, *headers: tuple[str, str], kind: str = "http") -> list[dict[str, Any]]:
    """The messages that answer a request with these headers."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {"type": kind, "headers": [(name.encode(), value.encode()) for name, value in headers]}
    asyncio.run(guard(scope, receive, send))
    return sent


def _guard(address: str = "127.0.0.1", port: int = 4200, **more: Any) -> Guard:
    async def server(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return Guard(server, address=address, port=port, **more)


def _passes(guard: Guard, host: str, origin: str | None = None) -> bool:
    headers = [("host", host)] + ([("origin", origin)] if origin else [])
    socket = _ask(guard, *headers, kind="websocket")
    passed = [sent[0].get("status") == 200 for sent in (_ask(guard, *headers), socket)]
    assert passed[0] == passed[1]
    assert passed[0] or socket[0]["type"] == "websocket.close"
    return passed[0]


@pytest.mark.parametrize("host", [HERE, "localhost:4200", "LOCALHOST", "[::1]:4200", "127.0.0.1"])
def test_the_servers_own_host_names_pass(host: str) -> None:
    assert _passes(_guard(), host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4200",
        "127.0.0.1.evil.example",
        "localhost.evil.example:4200",
        "a@127.0.0.1",
        "127.0.0.1:4200/x",
        "127.0.0.1:x",
        "",
        "10.0.0.7:4200",
        "127.0.0.1, evil.example",
        "prefect-in-memory",
    ],
)
def test_another_host_name_is_refused(host: str) -> None:
    assert not _passes(_guard(), host)


def test_a_missing_or_repeated_host_header_is_refused() -> None:
    for headers in ((), (("host", HERE), ("host", HERE)), (("host", HERE), ("Host", "evil.example"))):
        assert _ask(_guard(), *headers)[0]["status"] == 403


@pytest.mark.parametrize("origin", [f"http://{HERE}", "http://localhost:4200", "http://[::1]:4200"])
def test_the_servers_own_pages_pass(origin: str) -> None:
    assert _passes(_guard(), HERE, origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:4201",
        "http://127.0.0.1",
        "https://127.0.0.1",
        "null",
        "file://",
        f"http://{HERE}.evil.example",
        f"http://evil@{HERE}",
        f"http://{HERE}/",
        f"ftp://{HERE}",
        "http://",
        "http://[::1",
        HERE,
    ],
)
def test_foreign_pages_are_refused(origin: str) -> None:
    assert not _passes(_guard(), HERE, origin)


def test_a_configured_address_and_a_named_proxy_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _passes(_guard("10.0.0.7"), "10.0.0.7:4200", "http://10.0.0.7:4200")
    assert not _passes(_guard("10.0.0.7"), "10.0.0.8:4200")
    everywhere = _guard("0.0.0.0")
    assert _passes(everywhere, "10.0.0.8:4200", "http://10.0.0.8:4200")
    assert not _passes(everywhere, "evil.example:4200")
    monkeypatch.setenv(HOSTS_VARIABLE, "matinee.example, other.example")
    proxied = _guard()
    assert _passes(proxied, "matinee.example", "https://matinee.example")
    assert _passes(proxied, HERE, "https://other.example")
    assert not _passes(proxied, "evil.example", "https://matinee.example")
    assert not _passes(proxied, HERE, "https://evil.example")
    for wrong in ("https://matinee.example", "matinee.example:8443", "a b", "*", "x/y"):
        monkeypatch.setenv(HOSTS_VARIABLE, wrong)
        with pytest.raises(ConfigError, match=HOSTS_VARIABLE):
            _guard()


def test_configured_origins_pass_and_the_ui_cannot_be_framed() -> None:
    assert _passes(_guard(origins=["http://dev.example:3000"]), HERE, "http://dev.example:3000")
    (answer,) = _ask(_guard(), ("host", HERE))
    assert (b"x-frame-options", b"DENY") in answer["headers"]
