"""Admission of requests: the token, limits on bodies and on concurrent requests, and the headers of each answer."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Collection
from typing import Final

from matinee.ops.guard import App, Message, Receive, Send
from matinee.serve.prometheus import RequestMetrics

MOST_BYTES: Final = 1 << 20  # of a body
BODY_SECONDS: Final = 10.0  # until a body has arrived
MOST_ACTIVE: Final = 256  # requests at a time
_HEADERS: Final = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Admission:
    """An application that first checks each request.

    Args:
        app: The application.
        metrics: Counts what was answered.
        token: What a request must name as its bearer; None for no check.
        free: Paths that need no token.
        routes: The paths that metrics name; the others count together.
    """

    def __init__(
        self,
        app: App,
        metrics: RequestMetrics,
        *,
        token: str | None,
        free: Collection[str],
        routes: Collection[str],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._token = None if token is None else _digest(token.encode())
        self._free, self._routes = frozenset(free), frozenset(routes)
        self._active = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, answer = time.perf_counter(), _Answer(send)
        self._active += 1
        self._metrics.active.set(self._active)
        try:
            await self._admit(scope, receive, answer)
        finally:
            self._active -= 1
            self._metrics.active.set(self._active)
            route = scope["path"] if scope["path"] in self._routes else "other"
            seconds = self._metrics.seconds.labels(route, str(answer.status))
            seconds.observe(time.perf_counter() - started)

    async def _admit(self, scope: Message, receive: Receive, answer: "_Answer") -> None:
        if self._token is not None and scope["path"] not in self._free and (why := self._refusal(scope)):
            await answer.refuse(401, why, (b"www-authenticate", b"Bearer"))
        elif self._active > MOST_ACTIVE:
            await answer.refuse(
                503,
                f"The server is answering {MOST_ACTIVE} other requests; ask again in a second.",
                (b"retry-after", b"1"),
            )
        else:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await _read(scope, receive)
            except TimeoutError:
                await answer.refuse(408, f"The body did not arrive within {BODY_SECONDS:g} seconds.")
                return
            if body is None:
                await answer.refuse(413, f"The body has more than {MOST_BYTES:,} bytes.")
            else:
                await self._app(scope, _replay(body, receive), answer)

    def _refusal(self, scope: Message) -> str | None:
        """Why a request may not be answered; None if it has the token."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        if scheme.lower() != b"bearer" or not token.strip():
            return "This address needs a token: send the header `Authorization: Bearer TOKEN`."
        if not hmac.compare_digest(_digest(token.strip()), self._token or b""):
            return "The token is wrong. Send the one that the server was started with."
        return None


class _Answer:
    """Sends an answer with the headers of this server, and notes its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = {name for name, _ in message.get("headers", [])}
            added = [header for header in _HEADERS if header[0] not in given]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await self._send(message)

    async def refuse(self, status: int, why: str, *headers: tuple[bytes, bytes]) -> None:
        """Answer with one sentence."""
        body = json.dumps({"error": why}).encode()
        kind = (b"content-type", b"application/json")
        length = (b"content-length", str(len(body)).encode())
        await self({"type": "http.response.start", "status": status, "headers": [kind, length, *headers]})
        await self({"type": "http.response.body", "body": body})


async def _read(scope: Message, receive: Receive) -> bytes | None:
    """The body of a request; None if it is too long."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    if any(
        len(value) > len(str(MOST_BYTES)) or int(value) > MOST_BYTES for value in lengths if value.isdigit()
    ):
        return None
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the client has gone
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, and then what the client sends."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replaying() -> Message:
        return waiting.pop() if waiting else await receive()

    return replaying


def _digest(token: bytes) -> bytes:
    """A token as a digest: the time of a comparison depends neither on the token nor on its length."""
    return hashlib.sha256(token).digest()
