"""Errors about an unreachable Prefect server: correct, within a time limit, and without secrets."""

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from matinee.errors import ConfigError
from matinee.ops.connection import answering
from matinee.ops.prefect_server import find_fault, is_healthy

SECRET = "planted-51d0"


class _Sound(http.server.BaseHTTPRequestHandler):
    """The parts of a Prefect server that these tests call, behind a proxy that requires a header."""

    def do_GET(self) -> None:
        known = self.headers.get("X-Team") == "films" and self.path.startswith("/api/")
        body = {"health": b"true", "version": b'"0.8.4"'}[self.path.rpartition("/")[2]] if known else b""
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def sound() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sound) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


def test_a_sound_server_has_no_fault_and_a_proxy_gets_its_header(
    sound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_CUSTOM_HEADERS", '{"X-Team": "films"}')
    assert find_fault(sound) is None
    assert is_healthy(sound)
    monkeypatch.setenv("PREFECT_CLIENT_CUSTOM_HEADERS", "[[")
    assert "asks for a password" in str(find_fault(sound))
    assert not is_healthy(sound)


def test_a_server_that_never_answers_is_given_up_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.ops.prefect_server.LIMIT_SECONDS", 0.3)
    monkeypatch.setattr("matinee.ops.prefect_server._get", lambda *_: threading.Event().wait())
    began = time.monotonic()
    assert "has not answered" in str(find_fault("http://127.0.0.1:1/api"))
    assert time.monotonic() - began < 2


def test_the_text_of_a_failed_request_is_not_repeated() -> None:
    request = httpx.Request("POST", "http://127.0.0.1:4200/api/block_documents/", json={"url": SECRET})
    response = httpx.Response(422, request=request, json={"request_body": SECRET})
    for error in (
        httpx.HTTPStatusError(f"refused: {SECRET}", request=request, response=response),
        httpx.ConnectError(f"no way to {SECRET}", request=request),
    ):
        with pytest.raises(ConfigError) as told, answering():
            raise error
        assert SECRET not in str(told.value)
        assert told.value.__suppress_context__, "not in a traceback either"
