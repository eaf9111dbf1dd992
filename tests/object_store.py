"""An S3 server on loopback for tests, which keeps its objects in the memory of this process."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from matinee.store import Store
from matinee.store.remote import Remote, remote_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from werkzeug.serving import BaseWSGIServer

Address = Callable[[str], str]  # the fixture `remote`
_numbers = count()


def remote_at(address: str) -> Remote:
    """The store at an address, which is opened."""
    found = remote_of(Store.open(Path(address)).root)
    assert found is not None
    return found


@dataclass
class ObjectStore:
    """A running S3 server."""

    port: int
    _server: "BaseWSGIServer"
    _thread: Thread

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "access-key-of-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-key-of-tests",
            "AWS_REGION": "us-east-1",
        }

    def new_bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        with urlopen(Request(f"{self.url}/{name}", method="PUT")):
            return name

    def stop(self) -> None:
        """Stop answering; the objects stay."""
        self._server.shutdown()
        self._thread.join()  # the port is free

    def start(self) -> None:
        """Answer again at the same port."""
        self._server, self._thread = _serve(self.port)


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    """Run a server during the block."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server, thread = _serve(0)
    running = ObjectStore(server.port, server, thread)
    try:
        yield running
    finally:
        running.stop()


def _serve(port: int) -> tuple["BaseWSGIServer", Thread]:
    """Start the server of S3 alone: to find the service of a request, moto lists hundreds of folders.

    It answers one request after the other. moto checks the condition of a write and writes in two steps.
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    app, turn = create_backend_app("s3"), Lock()

    def answer(request: "WSGIEnvironment", start: "StartResponse") -> "Iterable[bytes]":
        with turn:
            return app(request, start)

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"  # a connection stays: otherwise each request starts a thread

    server = make_server("127.0.0.1", port, answer, threaded=True, request_handler=Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    return server, thread


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """One S3 server on loopback for the whole session."""
    with running_store() as store:
        yield store


@pytest.fixture
def remote(object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Address:
    """The address of a store in a new bucket; its argument names the host whose cache is used from then on."""
    address = f"s3://{object_store.new_bucket()}/stores/one"
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)

    def at(host: str = "first") -> str:
        monkeypatch.setenv("MATINEE_CACHE", str(tmp_path / "hosts" / host))
        return address

    at()
    return at
