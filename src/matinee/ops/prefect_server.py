"""The Prefect server that this machine's settings name: its address, and in ten seconds whether it can be worked with.

Without Prefect, which takes seconds to import, waits for minutes, and prints addresses with the passwords in them.
"""

import http.client
import json
import os
import socket
import ssl
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from matinee.errors import ConfigError
from matinee.errors.text import shown

LIMIT_SECONDS = 10.0  # after which a server counts as silent
_MOST_BYTES: Final = 1 << 16  # of an answer; health and version are one word each
_HINT: Final = "Start it, or correct PREFECT_API_URL or the Prefect profile."


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: nothing is sent to where it points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Answer(NamedTuple):
    status: int
    body: bytes


def home() -> Path:
    """Where Prefect keeps its settings, its database and what runs have left."""
    try:
        return Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    except RuntimeError:
        raise ConfigError(
            "This user has no home folder for Prefect to work in. Set PREFECT_HOME to one."
        ) from None


def profile() -> dict[str, str]:
    """The settings of Prefect's active profile.

    Raises ConfigError where the file can't be read: Prefect would go on without it, and with another server.
    """
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home() / "profiles.toml")
    try:
        told = tomllib.loads(path.read_text("utf-8"))
        profiles = told.get("profiles", {})
        active = os.environ.get("PREFECT_PROFILE") or told.get("active")
        return {name: str(value) for name, value in profiles.get(active, {}).items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a TOML file of profiles"
        raise ConfigError(
            f"{shown(path)} can't be read: {why}. Prefect takes the address of its server from there. Correct it, "
            "or move it away."
        ) from None


def setting(name: str) -> str:
    """A setting of Prefect from the environment or the active profile, or nothing."""
    return os.environ.get(name) or profile().get(name, "")


def parse_address(url: str, *, name: str = "PREFECT_API_URL") -> SplitResult:
    """The parts of a web address.

    Raises ConfigError where it is none or holds a password; the message holds nothing of it, since whatever is not
    where it should be may be a secret.
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
    """The address of a Prefect API without a slash at its end; raises ConfigError where it can't be one."""
    parts = parse_address(url)
    if "@" in url:
        before, _, server = parts.netloc.rpartition("@")
        where = f" before {server}" if before and "@" not in parts.path + parts.query + parts.fragment else ""
        raise ConfigError(
            f"PREFECT_API_URL holds a name or a password{where}, which Prefect would print wherever it names its "
            "server. Leave them out of it, and set PREFECT_API_AUTH_STRING to NAME:PASSWORD."
        )
    if parts.query or parts.fragment:
        raise ConfigError(
            "PREFECT_API_URL holds a ? or a #; expected an address that ends in its path, such as "
            "http://127.0.0.1:4200/api."
        )
    return url.rstrip("/")


def is_here(url: str) -> bool:
    """Whether an address is one of this machine alone."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def find_fault(url: str, *, authorization: str | None = None) -> str | None:
    """What keeps the server at an address from being worked with, or None; the answer comes within ten seconds."""
    return _in_time(url, ("health", "admin/version"), authorization, LIMIT_SECONDS)


def is_healthy(url: str) -> bool:
    """Whether a Prefect server answers at an address; it is asked nothing that needs a password."""
    return _in_time(url, ("health",), None, LIMIT_SECONDS) is None


def _in_time(url: str, paths: Sequence[str], authorization: str | None, seconds: float) -> str | None:
    found: list[str | None] = []
    thread = threading.Thread(
        target=lambda: found.append(_ask(url, paths, authorization, seconds)), daemon=True
    )
    thread.start()
    thread.join(seconds)  # one that sends a byte now and then would outwait any timeout of a socket
    return found[0] if found else _silence(url, seconds)


def _ask(url: str, paths: Sequence[str], authorization: str | None, seconds: float) -> str | None:
    """Its health needs no password, its version does."""
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
        f"The Prefect server at {url} has not answered for {seconds:.0f} s: it hangs, or another program listens "
        "there. Restart it, or correct PREFECT_API_URL or the Prefect profile."
    )


def _get(url: str, authorization: str | None, seconds: float) -> _Answer:
    headers = _custom_headers() | ({"Authorization": authorization} if authorization else {})
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(
        _Unredirected(), urllib.request.HTTPSHandler(context=_certificates())
    )
    try:
        with opener.open(request, timeout=seconds) as answer:
            return _Answer(answer.status, answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        return _Answer(error.code, b"")
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason)) from error


def _custom_headers() -> dict[str, str]:
    """What a proxy before the server wants to see, as Prefect sends it."""
    try:
        told = json.loads(setting("PREFECT_CLIENT_CUSTOM_HEADERS") or "{}")
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}


def _certificates() -> ssl.SSLContext:
    """Whom to believe that they are the server, as Prefect's settings say."""
    context = ssl.create_default_context(cafile=setting("PREFECT_API_SSL_CERT_FILE") or None)
    if setting("PREFECT_API_TLS_INSECURE_SKIP_VERIFY").lower() in ("1", "true", "yes", "on", "t", "y"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    """Why there is no answer, in words that can hold nothing of the address."""
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _judge(url: str, path: str, answer: _Answer, *, authorization: str | None) -> str | None:
    if answer.status in (401, 403):
        if authorization:
            return (
                f"The Prefect server at {url} refuses the password that it was given. Its own is in the file that "
                "`make up` names when it starts: name that file in MATINEE_AUTH_FILE."
            )
        return (
            f"The Prefect server at {url} asks for a password. Name the file that holds it in MATINEE_AUTH_FILE "
            "(`make up` prints its name), or set PREFECT_API_AUTH_STRING to what is in it."
        )
    if answer.status >= 500:
        return f"The Prefect server at {url} answers with an error ({answer.status}). Its log says why; restart it."
    # Prefect Cloud answers to other paths, and is asked for no version by Prefect either.
    if "/accounts/" not in url and (
        answer.status != 200 or (path == "health" and answer.body.strip() != b"true")
    ):
        return (
            f"What answers at {url} is not a Prefect server (status {answer.status} for /{path}). Its address usually "
            "ends in /api, as in http://127.0.0.1:4200/api: correct PREFECT_API_URL or the Prefect profile."
        )
    return None
