"""Buckets in the memory of the test, for tests of what is kept in them: an S3 server answers 100 times more slowly."""

from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest


class _Place(NamedTuple):
    """A prefix of a bucket, which is a client of obstore for `Objects`."""

    bucket: Any
    prefix: str


@pytest.fixture
def objects_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `Objects` of this process ask buckets in memory, which all hosts that the test names share.

    Other processes ask the S3 server.
    """
    import obstore
    from obstore.store import MemoryStore

    from matinee.store.remote.objects import Objects

    buckets: defaultdict[str, Any] = defaultdict(MemoryStore)

    def client(address: str, **_: Any) -> _Place:
        parts = urlsplit(address)
        return _Place(buckets[parts.netloc], parts.path.strip("/"))

    def pages(place: _Place, prefix: str, *, offset: str | None) -> Iterator[list[dict[str, Any]]]:
        after = None if offset is None else f"{place.prefix}/{offset}"
        for page in obstore.list(place.bucket, f"{place.prefix}/{prefix}".rstrip("/"), offset=after):
            yield [{**each, "path": each["path"].removeprefix(f"{place.prefix}/")} for each in page]

    def asking(request: Any) -> Any:
        return lambda place, key, *given, **named: request(
            place.bucket, f"{place.prefix}/{key}", *given, **named
        )

    library = SimpleNamespace(
        exceptions=obstore.exceptions,
        store=SimpleNamespace(from_url=client),
        list=pages,
        **{name: asking(getattr(obstore, name)) for name in ("get", "head", "put", "delete")},
    )
    monkeypatch.setattr(Objects, "_obstore", library)
