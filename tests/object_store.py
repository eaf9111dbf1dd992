"""An S3 server on loopback for tests, which keeps its objects in the memory of this process."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from moto.server import ThreadedMotoServer

_numbers = count()


@dataclass
class ObjectStore:
    """A running S3 server."""

    port: int
    _server: "ThreadedMotoServer"

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
        self._server.stop()

    def start(self) -> None:
        """Answer again at the same port."""
        self._server = _serve(self.port)


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    """Run a server during the block."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = _serve(0)
    running = ObjectStore(server.get_host_and_port()[1], server)
    try:
        yield running
    finally:
        running.stop()


def _serve(port: int) -> "ThreadedMotoServer":
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    return server


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """One S3 server on loopback for the whole session."""
    with running_store() as store:
        yield store


@pytest.fixture
def remote(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """The address of a store in a new bucket; its argument names the host whose cache is used from then on."""
    address = f"s3://{object_store.new_bucket()}/stores/one"
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)

    def at(host: str = "first") -> str:
        monkeypatch.setenv("MATINEE_CACHE", str(tmp_path / "hosts" / host))
        return address

    at()
    return at
