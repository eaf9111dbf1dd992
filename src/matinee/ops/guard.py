"""Protection of a server against foreign web pages: it accepts only its own host names and its own pages.

The Prefect server and `matinee serve` are wrapped in it.

A browser sends the requests of a page to any address, even to 127.0.0.1, with the page's origin in `Origin`. With DNS
rebinding, a foreign page has the origin of the server, but its `Host` is a foreign name.
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
from matinee.ops.environment import THIS_MACHINE

HOSTS_VARIABLE = "MATINEE_ALLOWED_HOSTS"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def listed_names() -> list[str]:
    """The names in MATINEE_ALLOWED_HOSTS: host names of a proxy before the server.

    Raises ConfigError if one is not a host name.
    """
    listed = [name.strip().lower() for name in os.environ.get(HOSTS_VARIABLE, "").split(",") if name.strip()]
    for name in listed:
        if not _NAME.fullmatch(name) and not _is_address(name.strip("[]")):
            raise ConfigError(
                f"{HOSTS_VARIABLE} contains {shown(name)!r}; expected host names separated by commas, without scheme, "
                "port or path, such as matinee.example."
            )
    return [name.strip("[]") for name in listed]


def names_of(address: str) -> list[str]:
    """The host names of a server: those of this machine, its address, and the listed names.

    A server that listens on all addresses also has the name of the machine.
    """
    own = [socket.gethostname(), socket.getfqdn()] if is_any(address) else [address]
    return list(dict.fromkeys(name.lower().strip("[]") for name in (*THIS_MACHINE, *own, *listed_names())))


def is_any(address: str) -> bool:
    """Whether the address stands for all addresses of the machine."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_unspecified
    except ValueError:
        return not address


def origins_of(address: str, port: int) -> list[str]:
    """The origins of a server's own pages."""
    hosts = [f"[{name}]" if ":" in name else name for name in names_of(address)]
    return [f"http://{host}" if port == _DEFAULT_PORTS["http"] else f"http://{host}:{port}" for host in hosts]


class Guard:
    """A server that first refuses requests for foreign host names and from foreign pages."""

    def __init__(self, app: App, *, address: str, port: int, origins: Iterable[str] = ()) -> None:
        self._app = app
        self._names = frozenset(names_of(address))
        self._proxies = frozenset(listed_names())
        self._origins = frozenset([*origins_of(address, port), *origins])
        self._any_address = is_any(address)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif why := self._refusal(scope["headers"]):
            await _refuse(scope["type"], why, receive, send)
        else:
            await self._app(scope, receive, _unframed(send))

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        fields = [(name.lower(), value.decode("latin-1").lower()) for name, value in headers]
        hosts = [value for name, value in fields if name == b"host"]
        if len(hosts) != 1 or not self._is_own(_host_of(f"//{hosts[0]}")):
            return f"This server does not have the host name that was requested. {HOSTS_VARIABLE} adds names."
        for origin in (value for name, value in fields if name == b"origin"):
            if origin not in self._origins and not self._is_same(origin, hosts[0]):
                return "This server accepts requests of its own pages only."
        return None

    def _is_own(self, host: str | None) -> bool:
        if host in self._names:
            return True
        # DNS rebinding needs a name, so a numeric address is always the address of this server.
        return self._any_address and _is_address(host)

    def _is_same(self, origin: str, host: str) -> bool:
        """Whether a page belongs to this server. A proxy may have called the server by another name or port."""
        try:
            parts = urlsplit(origin)
        except ValueError:  # an open bracket
            return False
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
    """The host name of a URL without brackets; None if the URL has other parts than host and port."""
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
    """Forbid foreign pages to show pages of this server in a frame (clickjacking)."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), (b"x-frame-options", b"DENY")]}
        await send(message)

    return sending
