"""The configured Prefect server: its address, and a check of at most ten seconds whether it can be used.

This module does not import Prefect, which takes seconds to import, waits minutes for a server, and prints passwords in
addresses.
"""

import http.client
import json
import logging
import os
import socket
import ssl
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.environment import THIS_MACHINE

LIMIT_SECONDS = 10.0  # maximum time for an answer
PATIENCE_SECONDS = 3.0  # then a line says what is waited for
_MOST_BYTES: Final = 1 << 16  # maximum size of an answer; health and version are one word each
# The profiles of Prefect itself, without a file, and their server.
_OWN_PROFILES: Final = {
    "ephemeral": "",
    "local": "http://127.0.0.1:4200/api",
    "test": "",
    "cloud": "",
}
_FOLDER_SETTINGS: Final = (".env", "prefect.toml", "pyproject.toml")
_LISTED: Final = 6
_READY: Final = "ready"  # answers with an error while the database of the server does
_LOG: Final = logging.getLogger(__name__)
_HINT: Final = "Start it, or correct PREFECT_API_URL or the Prefect profile."


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed: nothing is sent to their target."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Answer(NamedTuple):
    status: int
    body: bytes


def home() -> Path:
    """The folder of Prefect's settings, database and results."""
    try:
        return Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    except RuntimeError:
        raise ConfigError(
            "Prefect needs a folder for its files, and this user has no home folder. Set PREFECT_HOME to a folder."
        ) from None


def profile() -> dict[str, str]:
    """The settings of Prefect's active profile.

    Raises ConfigError if the file can't be read, or if there is no such profile. Prefect would ignore that and use
    another server.
    """
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home() / "profiles.toml")
    named = os.environ.get("PREFECT_PROFILE")
    try:
        file = tomllib.loads(path.read_text("utf-8"))
        profiles = file.get("profiles", {})
        active = named or file.get("active")
        found = {name: str(value) for name, value in profiles.get(active, _own(active)).items()}
        known = active is None or active in {*profiles, *_OWN_PROFILES}
    except (FileNotFoundError, NotADirectoryError):
        profiles, active, found, known = {}, named, _own(named), not named or named in _OWN_PROFILES
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a TOML file of profiles"
        raise ConfigError(
            f"{shown(path)} can't be read: {why}. Prefect reads the address of its server there. Correct the file, or "
            "move it away."
        ) from None
    if not known:
        where = "PREFECT_PROFILE" if named else f"`active` in {shown(path)}"
        there = ", ".join(shown(name, 80) for name in [*profiles, *_OWN_PROFILES][:_LISTED])
        raise ConfigError(
            f"Prefect has no profile '{shown(active, 80)}', which {where} names. Prefect would use another server. "
            f"Expected one of {there}: correct the name, or create it with `prefect profile create`."
        )
    return found


def _own(name: str | None) -> dict[str, str]:
    """The settings of a profile of Prefect itself, as far as they matter here."""
    url = _OWN_PROFILES.get(name or "")
    return {"PREFECT_API_URL": url} if url else {}


def setting(name: str) -> str:
    """A setting of Prefect from the environment or the active profile; empty if it is not set."""
    return os.environ.get(name) or profile().get(name, "")


def may_name_server() -> bool:
    """Whether Prefect's settings name a server, or a file of this folder may do so.

    Prefect reads `.env`, `prefect.toml` and `pyproject.toml` of the current folder.
    """
    try:
        if setting("PREFECT_API_URL"):
            return True
        files = {name: Path(name).read_text("utf-8") for name in _FOLDER_SETTINGS if Path(name).exists()}
        tables = [tomllib.loads(files.get("prefect.toml", ""))]
        tables.append(tomllib.loads(files.get("pyproject.toml", "")).get("tool", {}).get("prefect", {}))
        return "PREFECT_" in files.get(".env", "").upper() or any(
            "url" in each.get("api", {}) for each in tables
        )
    except (ConfigError, OSError, ValueError, AttributeError, TypeError):  # reported when Prefect starts
        return True


def parse_address(url: str, *, name: str = "PREFECT_API_URL") -> SplitResult:
    """Parse a web address.

    Raises ConfigError if it is not valid. The message does not quote the address, as a misplaced part may be a secret.
    """
    wrong = f"{name} is not a web address; expected http://HOST:PORT/... or https://HOST/..."
    try:
        parts = urlsplit(url)
        port = parts.port
        whole = url.isascii() and url.isprintable() and " " not in url
        host = (parts.hostname or "").encode("idna")
    except ValueError:
        raise ConfigError(f"{wrong} Correct it.") from None
    if parts.scheme not in ("http", "https") or not whole or not host or port == 0 or "\\" in url:
        raise ConfigError(f"{wrong} Correct it.")
    return parts


def check_address(url: str) -> str:
    """The address of a Prefect API without a trailing slash; raises ConfigError if it is not valid."""
    parts = parse_address(url)
    if "@" in url:
        before, _, server = parts.netloc.rpartition("@")
        where = f" before {server}" if before and "@" not in parts.path + parts.query + parts.fragment else ""
        raise ConfigError(
            f"PREFECT_API_URL contains a name or a password{where}, which Prefect would print with the address. Remove "
            "them, and set PREFECT_API_AUTH_STRING to NAME:PASSWORD."
        )
    if parts.query or parts.fragment:
        raise ConfigError(
            "PREFECT_API_URL contains a ? or a #; expected an address that ends with its path, such as "
            "http://127.0.0.1:4200/api."
        )
    return url.rstrip("/")


def is_here(url: str) -> bool:
    """Whether only this machine can reach the address."""
    return urlsplit(url).hostname in THIS_MACHINE


def find_fault(url: str, *, authorization: str | None = None) -> str | None:
    """Why the server at an address can't be used; None if it can. The answer takes ten seconds at most."""
    fault = _in_time(url, ("health", "admin/version", _READY), authorization, LIMIT_SECONDS, announces=True)
    proxy = proxy_of(url) if fault else None
    if proxy is None:
        return fault
    return (
        f"{fault} The request went through the proxy that {proxy} names, which may be what fails: to go without it, "
        "add the host of the server to NO_PROXY."
    )


def is_healthy(url: str) -> bool:
    """Whether a Prefect server answers at an address. This needs no password."""
    return _in_time(url, ("health",), None, LIMIT_SECONDS) is None


def proxy_of(url: str) -> str | None:
    """The variable that names the proxy for an address; None if the server is reached directly."""
    parts = urlsplit(url)
    names = (f"{parts.scheme}_proxy", f"{parts.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    name = next((name for name in names if os.environ.get(name)), None)
    return None if is_here(url) or urllib.request.proxy_bypass(parts.netloc) else name


def _in_time(
    url: str, paths: Sequence[str], authorization: str | None, seconds: float, *, announces: bool = False
) -> str | None:
    found: list[str | None] = []
    thread = threading.Thread(
        target=lambda: found.append(_ask(url, paths, authorization, seconds)), daemon=True
    )
    thread.start()
    thread.join(min(PATIENCE_SECONDS, seconds))
    if not found and announces:
        _LOG.warning("Waiting for the Prefect server at %s, for %.0f s at most.", url, seconds)
    # A server that sends a byte now and then never reaches the timeout of a socket.
    thread.join(max(seconds - PATIENCE_SECONDS, 0))
    return found[0] if found else _silence(url, seconds)


def _ask(url: str, paths: Sequence[str], authorization: str | None, seconds: float) -> str | None:
    """Ask for each path in turn: the version needs a password, the others do not."""
    for path in paths:
        try:
            answer = _get(f"{url}/{path}", authorization, seconds)
        except TimeoutError:
            return _silence(url, seconds)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"The Prefect server at {url} does not answer ({_reason(error)}). {_HINT}"
        if fault := _judge(url, path, answer, authorization=authorization):
            return fault
    return None


def _silence(url: str, seconds: float) -> str:
    return (
        f"The Prefect server at {url} has not answered for {seconds:.0f} s: it hangs, or another program uses its "
        "port. Restart it, or correct PREFECT_API_URL or the Prefect profile."
    )


def _get(url: str, authorization: str | None, seconds: float) -> _Answer:
    headers = _custom_headers() | ({"Authorization": authorization} if authorization else {})
    request = urllib.request.Request(url, headers=headers)
    proxy = proxy_of(url)
    proxies = {urlsplit(url).scheme: os.environ[proxy]} if proxy else {}
    context = _certificates(
        setting("PREFECT_API_SSL_CERT_FILE"), setting("PREFECT_API_TLS_INSECURE_SKIP_VERIFY")
    )
    opener = urllib.request.build_opener(
        _Unredirected(), urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler(proxies)
    )
    try:
        with opener.open(request, timeout=seconds) as answer:
            return _Answer(answer.status, answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        return _Answer(error.code, b"")
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason)) from error


def _custom_headers() -> dict[str, str]:
    """Headers for a proxy before the server, as Prefect sends them."""
    try:
        headers = json.loads(setting("PREFECT_CLIENT_CUSTOM_HEADERS") or "{}")
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}


@cache
def _certificates(file: str, trusts_all: str) -> ssl.SSLContext:
    """The certificates that are trusted, by Prefect's settings. Loading them takes longer than an answer."""
    context = ssl.create_default_context(cafile=file or None)
    if trusts_all.lower() in ("1", "true", "yes", "on", "t", "y"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    """The reason of a missing answer, without any part of the address."""
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _judge(url: str, path: str, answer: _Answer, *, authorization: str | None) -> str | None:
    if answer.status in (401, 403):
        if authorization:
            return (
                f"The Prefect server at {url} refuses the password. The right password is in the file that `make up` "
                "names when it starts. Set MATINEE_AUTH_FILE to that file."
            )
        return (
            f"The Prefect server at {url} asks for a password. Set MATINEE_AUTH_FILE to the file with the password "
            "(`make up` prints its name), or set PREFECT_API_AUTH_STRING to the password."
        )
    if answer.status >= 500:
        return f"The Prefect server at {url} answers with an error ({answer.status}). Its log says why. Restart it."
    # Prefect Cloud has other paths, and Prefect does not ask it for its version either.
    if (
        "/accounts/" not in url
        and path != _READY
        and (answer.status != 200 or (path == "health" and answer.body.strip() != b"true"))
    ):
        return (
            f"The program at {url} is not a Prefect server (status {answer.status} for /{path}). The address of a "
            "Prefect server usually ends in /api, as in http://127.0.0.1:4200/api. Correct PREFECT_API_URL or the "
            "Prefect profile."
        )
    return None
