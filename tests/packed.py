"""Files in memory that tests make: archives, compressed data and Parquet."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def tar(members: Mapping[str, str | bytes], *, mode: Any = "w", ends: bool = True) -> bytes:
    """A tar archive of names and contents; without its end where `ends` is false."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.GNU_FORMAT) as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            content = text if isinstance(text, bytes) else text.encode()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        whole = archive.offset
    return buffer.getvalue() if ends else buffer.getvalue()[:whole]


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A zip archive of names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def parquet(**columns: Any) -> bytes:
    """A Parquet file of lists or arrays."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    """Compressed by zstd."""
    packed: bytes = pa.compress(data, "zstd", asbytes=True)
    return packed


_fast_gzip: Callable[[bytes], bytes] = partial(gzip.compress, compresslevel=1)


def nested(data: bytes, levels: int, pack: Callable[[bytes], bytes] = _fast_gzip) -> bytes:
    """Compressed several times."""
    for _ in range(levels):
        data = pack(data)
    return data
