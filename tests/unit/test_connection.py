"""Errors about an unreachable Prefect server: correct, within a time limit, and without secrets."""

import contextlib
import http.server
import os
import sqlite3
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from matinee.errors import ConfigError
from matinee.ops.connection import answering, fault_of_database, leave_out_proxies, ways_out
from matinee.ops.environment import bypass_proxies
from matinee.ops.prefect_server import find_fault, is_healthy, may_name_server

SECRET = "planted-51d0"


class _Sound(http.server.BaseHTTPRequestHandler):
    """The parts of a Prefect server that these tests call, behind a proxy that requires a header."""

    def do_GET(self) -> None:
        known = self.headers.get("X-Team") == "films" and self.path.startswith("/api/")
        body = (
            {"health": b"true", "version": b'"0.8.4"', "ready": b"{}"}[self.path.rpartition("/")[2]]
            if known
            else b""
        )
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def sound() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sound) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that nobody has signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = built.add_extension(addresses, critical=False).sign(key, hashes.SHA256())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(text + signed.public_bytes(serialization.Encoding.PEM))
    return file


def test_a_server_over_https_is_trusted_by_the_settings_of_prefect(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_CUSTOM_HEADERS", '{"X-Team": "films"}')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sound) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}/api"
        assert "CERTIFICATE_VERIFY_FAILED" in str(find_fault(url))
        for name, value in (
            ("PREFECT_API_SSL_CERT_FILE", str(certificate)),
            ("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "true"),
        ):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                assert find_fault(url) is None, name
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


class _Proxy(_Sound):
    """A proxy that reaches nothing."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "films.example")
        yield "http_proxy"
        server.shutdown()


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_servers_of_this_machine_are_reached_without_a_proxy(host: str) -> None:
    url = f"http://{host}:9/api"
    assert "does not answer (Connection refused)" in str(find_fault(url))
    assert httpx.get(url, verify=False).status_code == 503, "without the exception, the proxy is asked"
    bypass_proxies()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, verify=False)
    assert os.environ["NO_PROXY"].split(",")[0] == "films.example"


def test_the_error_of_a_server_behind_a_proxy_names_the_proxy(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = str(find_fault("http://prefect.example/api"))
    assert "(503)" in fault and f"the proxy that {proxy} names" in fault
    monkeypatch.setenv("no_proxy", "prefect.example")
    assert "proxy" not in str(find_fault("http://prefect.example/api"))


def test_proxies_that_prefect_cannot_use_are_unset_for_a_server_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"ALL_PROXY names a proxy that Prefect can't use"):
        leave_out_proxies("https://prefect.example/api")
    leave_out_proxies("http://127.0.0.1:4200/api")
    assert "ALL_PROXY" not in os.environ


@pytest.mark.parametrize(
    ("file", "content", "where"),
    [
        ("", "", "in the active Prefect profile: set PREFECT_PROFILE=ephemeral"),
        (".env", "PREFECT_API_URL=http://127.0.0.1:9/api", "in .env of this folder"),
        ("prefect.toml", 'api.url = "http://127.0.0.1:9/api"', "in prefect.toml of this folder"),
        ("pyproject.toml", 'tool.prefect.api.url = "http://127.0.0.1:9/api"', "in pyproject.toml of this"),
    ],
)
def test_an_error_says_where_the_address_comes_from(
    file: str, content: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    if file:
        (tmp_path / file).write_text(content)
    assert where in ways_out()
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert "in the variable PREFECT_API_URL: unset it" in ways_out()


@pytest.mark.parametrize("version", ["ffffffffffff", None])
def test_a_database_of_another_version_of_prefect_is_named(
    version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    assert fault_of_database() is None
    with contextlib.closing(sqlite3.connect(tmp_path / "prefect.db")) as database, database:
        database.execute("create table alembic_version (version_num)")
        if version:
            database.execute("insert into alembic_version values (?)", [version])
    assert ("by another version of Prefect" in (fault_of_database() or "")) == bool(version)


def test_a_server_that_never_answers_is_given_up_after_the_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("matinee.ops.prefect_server.LIMIT_SECONDS", 0.3)
    monkeypatch.setattr("matinee.ops.prefect_server.PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("matinee.ops.prefect_server._get", lambda *_: threading.Event().wait())
    began = time.monotonic()
    assert "has not answered" in str(find_fault("http://127.0.0.1:1/api"))
    assert time.monotonic() - began < 2
    assert "Waiting for the Prefect server" in caplog.text


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


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("pyproject.toml", "[tool.prefect.server]\nanalytics_enabled = false\n", False),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://127.0.0.1:4200/api"\n', True),
        ("pyproject.toml", "[tool.prefect", True),
        ("prefect.toml", '[api]\nurl = "http://127.0.0.1:4200/api"\n', True),
        ("prefect.toml", "api = 1\n", True),
        (".env", "PREFECT_API_URL=http://127.0.0.1:4200/api\n", True),
        (".env", "OTHER=1\n", False),
    ],
)
def test_files_of_the_folder_may_name_a_server(
    file: str, text: str, named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert not may_name_server()
    (tmp_path / file).write_text(text)
    assert may_name_server() is named
