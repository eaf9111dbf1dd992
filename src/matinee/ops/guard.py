"""What keeps strangers' web pages from a Prefect server: it answers to its own names, and to pages of its own alone.

A browser sends a page's requests to any address, 127.0.0.1 included, and says in `Origin` whose page it is. A page
whose name is made to point here (DNS rebinding) is of the same origin as the server, and betrayed by `Host`.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from matinee.errors import ConfigError
from matinee.errors.text import shown

HOSTS_VARIABLE = "MATINEE_ALLOWED_HOSTS"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def listed_names() -> list[str]:
    """What MATINEE_ALLOWED_HOSTS lists: names by which a proxy is called that stands before the server.

    Raises ConfigError where one is no host name.
    """
    listed = [name.strip().lower() for name in os.environ.get(HOSTS_VARIABLE, "").split(",") if name.strip()]
    for name in listed:
        if not _NAME.fullmatch(name) and not _is_address(name.strip("[]")):
            raise ConfigError(
                f"{HOSTS_VARIABLE} holds {shown(name)!r}; expected host names with commas between them, without "
                "scheme, port or path, such as matinee.example."
            )
    return [name.strip("[]") for name in listed]


def names_of(address: str) -> list[str]:
    """The names of a server that listens at an address: of this machine, the address itself, and those that are listed.

    One that listens on all addresses answers to the machine's own name as well.
    """
    own = [socket.gethostname(), socket.getfqdn()] if is_any(address) else [address]
    return list(dict.fromkeys(name.lower().strip("[]") for name in (*_LOOPBACK, *own, *listed_names())))


def is_any(address: str) -> bool:
    """Whether a server there listens on all addresses of the machine."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_unspecified
    except ValueError:
        return not address


def origins_of(address: str, port: int) -> list[str]:
    """The origins of a server's own pages."""
    hosts = [f"[{name}]" if ":" in name else name for name in names_of(address)]
    return [f"http://{host}" if port == _DEFAULT_PORTS["http"] else f"http://{host}:{port}" for host in hosts]


class Guard:
    """A server that refuses, before anything else sees them, requests to other names and from pages of others."""

    def __init__(self, app: App, *, address: str, port: int, origins: Iterable[str] = ()) -> None:
        self._app = app
        self._names = frozenset(names_of(address))
        self._proxies = frozenset(listed_names())
        self._origins = frozenset([*origins_of(address, port), *origins])
        self._any_address = is_any(address)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on what is not refused."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif why := self._refusal(scope["headers"]):
            await _refuse(scope["type"], why, receive, send)
        else:
            await self._app(scope, receive, _unframed(send))

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        said = [(name.lower(), value.decode("latin-1").lower()) for name, value in headers]
        hosts = [value for name, value in said if name == b"host"]
        if len(hosts) != 1 or not self._is_own(_host_of(f"//{hosts[0]}")):
            return f"This server has another name than the one you asked for. {HOSTS_VARIABLE} adds names to its own."
        for origin in (value for name, value in said if name == b"origin"):
            if origin not in self._origins and not self._is_same(origin, hosts[0]):
                return "This server answers to its own pages alone."
        return None

    def _is_own(self, host: str | None) -> bool:
        if host in self._names:
            return True
        # No name can be made to point here where none is used: an address in digits is the server's own.
        return self._any_address and _is_address(host)

    def _is_same(self, origin: str, host: str) -> bool:
        """Whether a page is of the server that was called, which a proxy may have reached by another name or port."""
        parts = urlsplit(origin)
        if (
            parts.scheme not in _DEFAULT_PORTS
            or parts.netloc == ""
            or origin != f"{parts.scheme}://{parts.netloc}"
        ):
            return False
        if parts.netloc == host or f"{parts.netloc}:{_DEFAULT_PORTS[parts.scheme]}" == host:
            return True
        return _host_of(origin) in self._proxies


def _host_of(url: str) -> str | None:
    """The host's name in an address, without brackets; nothing where more or less stands there."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if parts.path or parts.query or parts.fragment or "@" in parts.netloc else parts.hostname


def _is_address(host: str | None) -> bool:
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True


async def _refuse(kind: str, why: str, receive: Receive, send: Send) -> None:
    if kind == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})


def _unframed(send: Send) -> Send:
    """No page of others shows this server's within its own, where a person would click what they don't see."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), (b"x-frame-options", b"DENY")]}
        await send(message)

    return sending
