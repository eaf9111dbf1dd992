"""Prefect: servers that are dead, silent, wrong or of another user, settings with secrets, units.

No Prefect server is started: a few lines of HTTP simulate each of them.
"""

import errno
import http.server
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from attacks.ground import Attack, Ground

SECRET = "planted-7c1e"
RETRAIN = ["retrain", "--ratings", "{ratings}", "--titles", "{titles}", "--store", "{store}"]
LISTS = ["recommend", "--all", "--store", "{store}", "--out", "{folder}/lists.parquet"]
QUICK = {"matinee.ops.prefect_server.LIMIT_SECONDS": 0.4}


class _Stranger(http.server.BaseHTTPRequestHandler):
    """Servers at the address of a Prefect server; the path selects one."""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "silent":
            time.sleep(1)
        elif kind == "drips":
            for _ in range(20):
                self.wfile.write(b"H")
                time.sleep(0.1)
        elif kind == "page":
            self._answer(200, b"<html>a router's page</html>")
        elif kind == "elsewhere":
            self._answer(302, b"", location=f"http://127.0.0.1:{PORT}/asks/{SECRET}")
        elif kind == "json":
            self._answer(200, b'{"status": "ok"}')
        elif kind == "asks" and self.path.endswith("/health"):
            self._answer(200, b"true")
        elif kind == "ends":
            self.connection.close()
        else:
            self._answer(
                {"fails": 500, "asks": 401, "forbids": 403, "busy": 503}.get(kind, 404), SECRET.encode()
            )

    def _answer(self, status: int, body: bytes, *, location: str | None = None) -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """The caller has closed the connection."""


_SERVER = _Server(("127.0.0.1", 0), _Stranger)
threading.Thread(target=_SERVER.serve_forever, daemon=True).start()
PORT = _SERVER.server_port


def _named(
    name: str, url: str, *says: str, words: Sequence[str] = RETRAIN, status: int = 2, **more: Any
) -> Attack:
    """A command with this address in PREFECT_API_URL."""
    environment = {"PREFECT_API_URL": url, "PREFECT_HOME": "{folder}/home", **more.pop("environment", {})}
    return Attack(name, words, status, says=says, hides=[SECRET], environment=environment, **more)


def _at(kind: str) -> str:
    return f"http://127.0.0.1:{PORT}/{kind}/api"


def _home(
    name: str, content: bytes | None, *says: str, words: Sequence[str] = RETRAIN, status: int = 2
) -> Attack:
    """A command with a Prefect home with these profiles, or with a folder instead of the file."""

    def prepare(ground: Ground) -> None:
        path = ground.folder / "home" / "profiles.toml"
        path.parent.mkdir()
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)

    environment = {"PREFECT_HOME": "{folder}/home"}
    return Attack(name, words, status, prepare, says=says, hides=[SECRET], environment=environment)


def _secret_file(name: str, content: str | None, *says: str) -> Attack:
    """A command whose server asks for a password, with this content of the password file; None makes it a FIFO."""

    def prepare(ground: Ground) -> None:
        path = ground.folder / "password"
        if content is None:
            os.mkfifo(path)
        else:
            path.write_text(content)

    environment = {"MATINEE_AUTH_FILE": "{folder}/password"}
    return _named(name, _at("asks"), *says, environment=environment, prepare=prepare)


def _webhook(name: str, url: str) -> Attack:
    words = ["alerts", "apply", "--webhook", url]
    return Attack(f"a webhook {name}", words, 2, says=["is not a web address"], hides=[SECRET])


def _units(name: str, *words: str, says: str) -> Attack:
    def nothing_written(ground: Ground) -> None:
        assert not (ground.folder / "units").exists()

    call = ["units", "--out", "{folder}/units", *words]
    return Attack(f"units {name}", call, 2, says=[says], check=nothing_written)


def _full(**_: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


ATTACKS = [
    _named("a dead server", "http://127.0.0.1:9/api", "does not answer", "PREFECT_API_URL"),
    _named("a dead server for lists", "http://127.0.0.1:9/api", "does not answer", words=LISTS),
    _named("a silent server", _at("silent"), "has not answered for", patches=QUICK),
    _named("a server that sends a letter now and then", _at("drips"), "has not answered", patches=QUICK),
    _named("a server that hangs up", _at("ends"), "does not answer"),
    _named("a server with an error", _at("fails"), "answers with an error (500)"),
    _named("a proxy without a server", _at("busy"), "(503)"),
    _named("a router's page", _at("page"), "is not a Prefect server"),
    _named("another program's JSON", _at("json"), "is not a Prefect server"),
    _named("a path that is not there", _at("nowhere"), "status 404"),
    _named("a redirect, which is not followed", _at("elsewhere"), "status 302"),
    _named("no password", _at("asks"), "asks for a password", "MATINEE_AUTH_FILE"),
    _named("no entry", _at("forbids"), "asks for a password"),
    _named(
        "another server's password",
        _at("asks"),
        "refuses the password",
        environment={"PREFECT_API_AUTH_STRING": f"user:{SECRET}"},
    ),
    _named("a password in the address", f"http://user:{SECRET}@127.0.0.1:9/api", "a name or a password"),
    _named("half a password in the path", f"http://user:1/{SECRET}@127.0.0.1/api", "a name or a password"),
    _named("a password in place of a port", f"http://user:{SECRET}", "not a web address"),
    _named("a token in the query", f"http://127.0.0.1:9/api?token={SECRET}", "contains a ?"),
    _named("no address at all", SECRET, "not a web address"),
    _named("an address with an escape", f"http://127.0.0.1/\x1b]0;{SECRET}\x07", "not a web address"),
    _named("a file for an address", f"file:///{SECRET}", "not a web address"),
    _named("a name that no host can have", f"http://{'a' * 64}.example/{SECRET}", "not a web address"),
    _secret_file("an empty file for a password", "", "has no password"),
    _secret_file("two lines for a password", f"user:{SECRET}\nuser:{SECRET}\n", "has no password"),
    _secret_file("a password with an escape", f"user:\x1b]0;{SECRET}\n", "has no password"),
    _secret_file("a FIFO for a password", None, "not a plain file"),
    _named(
        "no file for a password",
        _at("asks"),
        "No such file",
        environment={"MATINEE_AUTH_FILE": "{folder}/none"},
    ),
    _named(
        "a doctor's silent server",
        _at("silent"),
        "has not answered",
        words=["doctor"],
        status=1,
        patches=QUICK,
    ),
    _named(
        "a doctor and a password", f"http://a:{SECRET}@[::1]:9/api", "[::1]:9", words=["doctor"], status=1
    ),
    _home("profiles that are no TOML", f"[profiles\n{SECRET}".encode(), "not a TOML file of profiles"),
    _home("profiles of another encoding", b'active = "\xff"', "not a TOML file of profiles"),
    _home("profiles that are a list", b"profiles = [1]", "not a TOML file of profiles"),
    _home("profiles that are a folder", None, "Is a directory"),
    _home("profiles that are no TOML, of alerts", b"=", "profiles.toml", words=["alerts", "remove"]),
    _home(
        "a profile with a password",
        f'active = "a"\n[profiles.a]\nPREFECT_API_URL = "http://a:{SECRET}@127.0.0.1:9/api"'.encode(),
        "127.0.0.1:9",
        words=["doctor"],
        status=1,
    ),
    _home(
        "a profile that is not there",
        b'active = "other"\n[profiles.mine]',
        "no profile 'other'",
        "mine, ephemeral",
    ),
    _named(
        "a profile of the environment that is not there",
        "",
        "no profile 'nope\\x1b[2J', which PREFECT_PROFILE names",
        environment={"PREFECT_PROFILE": "nope\x1b[2J"},
    ),
    Attack(
        "a home that is a file", RETRAIN, 2, says=["PREFECT_HOME"], environment={"PREFECT_HOME": "{ratings}"}
    ),
    Attack(
        "a home on a full disk",
        RETRAIN,
        2,
        says=["No space left on device", "PREFECT_HOME"],
        environment={"PREFECT_HOME": "{folder}/home"},
        patches={"matinee.ops.connection.tempfile.TemporaryFile": _full},
    ),
    _webhook("that is no address", "notaurl"),
    _webhook("that is a file", f"file:///etc/{SECRET}"),
    _webhook("that is nothing", ""),
    _webhook("with a line end", f"https://chat.example/{SECRET}\nX-Header: 1"),
    _webhook("without a host", f"https:///{SECRET}"),
    _webhook("with a port that is none", f"https://user:{SECRET}"),
    Attack(
        "a webhook of the environment that is none",
        ["alerts", "apply"],
        2,
        says=["MATINEE_WEBHOOK"],
        hides=[SECRET],
        environment={"MATINEE_WEBHOOK": f"chat.example/{SECRET}"},
    ),
    _units("with a line of their own", "--drop", "/srv/a\nExecStartPre=/bin/false", says="control character"),
    _units("for a user with options", "--user", "root\nAmbientCapabilities=~", says="not a user name"),
    _units("for a specifier", "--user", "%i", says="not a user name"),
    _units("at an address with options", "--address", "127.0.0.1 --workers=9", says="--address"),
    _units("at no port", "--port", "70000", says="--port"),
]
