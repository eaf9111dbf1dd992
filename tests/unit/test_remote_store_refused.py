"""Errors of a store in an object store: each is one paragraph, without secrets, and changes nothing."""

import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from object_store import Address, ObjectStore

from matinee.cli.main import main
from matinee.errors import ConfigError, MatineeError, StoreError
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.files import write_json
from matinee.store.remote import MARK, Remote, local_store, names_remote, objects, remote_of
from matinee.store.remote.address import parse_address
from matinee.store.remote.objects import ListedObject, Objects


@contextmanager
def _answering(status: int) -> Iterator[str]:
    """A server that answers every request with one status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815 - as the library calls them

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def _refused(address: str, kind: type[MatineeError]) -> str:
    with pytest.raises(kind) as error:
        Store.open(Path(address))
    assert "key-of-tests" not in str(error.value)
    assert not Path("s3:").exists()
    return str(error.value)


def test_errors_say_what_to_do(
    remote: Address, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="There is no store at s3://"):
        Registry.open(Path(remote("first")))
    assert "There is no bucket no-such-bucket" in _refused("s3://no-such-bucket/store", ConfigError)
    with _answering(403) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        assert "was denied (403). Check the credentials" in _refused(remote("denied"), StoreError)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "HTTP://127.0.0.1:1")
    assert "can't be reached: 127.0.0.1:1 does not answer. Check the network" in _refused(
        remote("gone"), StoreError
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "minio.example.org")
    assert "AWS_ENDPOINT_URL in the environment is not the address of a server" in _refused(
        remote("nowhere"), ConfigError
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "key-of-tests\n")
        assert "AWS_ACCESS_KEY_ID in the environment contains a line break" in _refused(
            remote("b"), ConfigError
        )
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert '`pip install "matinee[s3]"`' in _refused(remote("without"), ConfigError)


@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_without_a_condition_is_an_error_of_the_store(
    remote: Address, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"{}")
    with _answering(status) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        there = Objects(parse_address(remote()))
        requests: list[Callable[[], object]] = [
            lambda: there.put("key", b"{}"),
            lambda: there.upload("key", file),
            lambda: there.get("key"),
            lambda: there.delete(["key"]),
            lambda: there.create(
                "key", b"{}"
            ),  # a condition that is not met, and then an object that can't be read
        ]
        for request in requests:
            with pytest.raises(StoreError, match="refused a request") as error:
                request()
            assert f"({status})" in str(error.value)


@pytest.mark.parametrize(
    "text", ["s3://key:secret@bucket/store", "s3://", "s3://bucket/../store", "gs://b?x=secret"]
)
def test_an_address_that_is_not_readable_is_refused_without_its_text(text: str) -> None:
    assert names_remote(text)
    with pytest.raises(ConfigError, match="The address in an object store is not readable") as error:
        local_store(text)
    assert "secret" not in str(error.value)


def test_an_answer_that_comes_too_late_leaves_the_file_of_the_next_attempt(
    remote: Address, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    late, threads = threading.Event(), []

    def get(store: object, key: str) -> object:
        threads.append(threading.current_thread())
        assert late.wait(30)
        return SimpleNamespace(stream=lambda **_: iter(()))

    there = Objects(parse_address(remote()))
    monkeypatch.setattr(there._obstore, "get", get)
    monkeypatch.setattr(objects, "_SILENT_SECONDS", 0.1)
    with pytest.raises(StoreError, match="can't be reached"):
        there.download("key", tmp_path / "file")
    (tmp_path / "file").write_bytes(b"of the next attempt")
    late.set()
    threads[0].join(30)
    assert (tmp_path / "file").read_bytes() == b"of the next attempt"


def test_an_address_with_other_objects_and_a_cache_of_another_store_are_refused(remote: Address) -> None:
    there = remote_of(Store.open(Path(remote("first"))).root)
    assert there is not None
    there.objects.put("other/notes.txt", b"of somebody else")
    with pytest.raises(ConfigError, match="is not a Matinee store: it has no matinee-store"):
        Store.open(Path(f"{remote('first')}/other"))
    write_json(there.root / MARK, {"address": there.name, "store": "of another time"})
    fresh = Remote(there.root, there.objects)
    with pytest.raises(ConfigError, match="is of another store that was at s3://"):
        fresh.open(create=True)


def test_of_two_processes_that_make_a_store_at_once_neither_is_refused(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Remote(local_store(remote("other")), Objects(parse_address(remote("other"))))
    other.objects.put("clock/0.json", b"{}")  # by one that looks what the server can do
    look = Objects.list

    def late(self: Objects, prefix: str, *, after: str | None = None) -> list[ListedObject]:
        if self is not other.objects and prefix == "":
            other.open(create=True)  # between two looks
        return look(self, prefix, after=after)

    monkeypatch.setattr(Objects, "list", late)
    assert Store.open(Path(remote("first"))).names("datasets") == []


def test_a_mistake_in_a_call_makes_no_cache(remote: Address, tmp_path: Path) -> None:
    assert main(["prune", "--store", remote("first"), "--keep", "none"]) == 2
    assert not (tmp_path / "hosts").exists()
