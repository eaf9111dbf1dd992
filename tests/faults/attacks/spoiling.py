"""Changes of files that attacks make: of arrays, tables, weights and manifests."""

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from attacks.ground import Ground
from packed import parquet
from safetensors.numpy import load, save

Change = Callable[[bytes], bytes]
Content = str | bytes | Callable[[], bytes]


def spoil(name: str, change: Change) -> Callable[[Ground], None]:
    """Replace the first file of the store that matches a name or pattern."""

    def prepare(ground: Ground) -> None:
        path = sorted(ground.store.glob(name))[0]
        path.write_bytes(change(path.read_bytes()))

    return prepare


def forge(name: str, change: Change) -> Callable[[Ground], None]:
    """Replace a file of the champion, and its sha256 in the manifest."""

    def prepare(ground: Ground) -> None:
        folder = ground.store / "releases" / "v0002"
        data = change((folder / name).read_bytes())
        (folder / name).write_bytes(data)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][name] = hashlib.sha256(data).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return prepare


def claim(**values: Any) -> Callable[[Ground], None]:
    """Change values in the champion's manifest."""
    return spoil(
        "releases/v0002/manifest.json", lambda data: json.dumps({**json.loads(data), **values}).encode()
    )


def cutoffs(**values: Any) -> Change:
    """Other cutoffs of the split in a manifest."""

    def changed(data: bytes) -> bytes:
        manifest = json.loads(data)
        manifest["split"]["cutoffs"] |= values
        return json.dumps(manifest).encode()

    return changed


def puts(name: str | bytes, content: Content) -> Callable[[Ground], None]:
    """Write a file into the folder of the attack; a content that takes long is made only then."""

    def prepare(ground: Ground) -> None:
        made = content() if callable(content) else content
        path = ground.folder / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(made.encode() if isinstance(made, str) else made)

    return prepare


def source(name: str, data: Change) -> Callable[[Ground], None]:
    """Create a ratings file."""
    return lambda ground: _write(ground.folder / name, data(ground.ratings.read_bytes()))


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def weights(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Callable[[Ground], None]:
    """Other tables in the champion's weights."""
    return forge("weights.safetensors", lambda data: save(change(load(data))))


def array(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Another array in a file of one."""

    def changed(data: bytes) -> bytes:
        out = io.BytesIO()
        np.save(out, change(np.load(io.BytesIO(data))), allow_pickle=False)
        return out.getvalue()

    return changed


def table(change: Callable[[pa.Table], pa.Table]) -> Change:
    """Another table in a Parquet file."""

    def changed(data: bytes) -> bytes:
        out = io.BytesIO()
        pq.write_table(change(pq.read_table(pa.BufferReader(data))), out)
        return out.getvalue()

    return changed


def empty_but_says_so(data: bytes) -> bytes:
    """A Parquet file without rows whose footer has another number of rows: a Thrift integer, seven bits per byte."""
    emptied = table(lambda rows: rows.slice(0, 0))(data)
    size = int.from_bytes(emptied[-8:-4], "little")
    body, footer = emptied[: -8 - size], emptied[-8 - size : -8]
    told = 2 * pq.read_metadata(pa.BufferReader(data)).num_rows
    footer = footer.replace(b"\x16\x00\x19", bytes([0x16, told & 0x7F | 0x80, told >> 7, 0x19]), 1)
    claimed = body + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    assert pq.read_metadata(pa.BufferReader(claimed)).num_rows == told // 2
    return claimed


def columns(**odd: pa.Array) -> Change:
    """A Parquet file of ratings with some odd columns."""
    usual = {"userID": [1, 2, 3], "movieID": [4, 5, 6], "rating": [1.0, 2.0, 3.0]}

    return lambda _: parquet(**{**usual, **odd})
