"""Files that attacks write: in the store, or as sources."""

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from attacks.ground import Ground
from packed import parquet

Change = Callable[[bytes], bytes]
Content = str | bytes | Callable[[], bytes]


def first(ground: Ground, place: str) -> Path:
    """The first file of the store that matches a name or pattern."""
    return sorted(ground.store.glob(place))[0]


def spoil(place: str, change: Change) -> Callable[[Ground], None]:
    """Replace the first file of the store that matches a name or pattern."""

    def prepare(ground: Ground) -> None:
        path = first(ground, place)
        path.write_bytes(change(path.read_bytes()))

    return prepare


def writes(place: str, content: str | bytes) -> Callable[[Ground], None]:
    """Write a file of the store, which need not be there, or the first one that matches a pattern."""

    def prepare(ground: Ground) -> None:
        path = first(ground, place) if "*" in place else ground.store / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return prepare


def puts(name: str | bytes, content: Content) -> Callable[[Ground], None]:
    """Write a file into the folder of the attack; a content that takes long is made only then."""

    def prepare(ground: Ground) -> None:
        made = content() if callable(content) else content
        path = ground.folder / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(made.encode() if isinstance(made, str) else made)

    return prepare


def source(name: str, change: Change) -> Callable[[Ground], None]:
    """Write a file that is made of the ratings of the store."""
    return lambda ground: puts(name, change(ground.ratings.read_bytes()))(ground)


def columns(**odd: pa.Array) -> bytes:
    """A Parquet file of ratings with some odd columns."""
    usual = {"userID": [1, 2, 3], "movieID": [4, 5, 6], "rating": [1.0, 2.0, 3.0]}
    return parquet(**{**usual, **odd})
