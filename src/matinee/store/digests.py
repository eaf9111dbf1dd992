"""Digests. They name the folders of steps, so that nothing is computed twice and no outdated result is used.

The name of a folder is the digest of the digests of its inputs, its settings and the source code of the step.
"""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from matinee.errors import ConfigError
from matinee.store import progress
from matinee.store.code_digests import known_digests
from matinee.store.source_code import installed

_DIGEST_LENGTH = 20  # hex digits, 80 bits: a store never has enough folders for a collision
DIGEST = re.compile(rf"[0-9a-f]{{{_DIGEST_LENGTH}}}")
_READ_BYTES = 1 << 22
_PIECE_BYTES = 1 << 26


def digest_of(**parts: Any) -> str:
    """Digest of JSON-like values, independent of the order of their names."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]


def file_digest(path: Path) -> str:
    """Digest of the bytes of a file. A process reads an unchanged file only once.

    Raises ConfigError if the file can't be read.
    """
    try:
        status = path.stat()
        return _file_digest(path, status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError as error:
        raise ConfigError(f"{path} could not be read: {error.strerror or error}.") from error


def bytes_digest(data: bytes) -> str:
    """The digest that `file_digest` returns for a file with these bytes."""
    starts = range(0, max(len(data), 1), _PIECE_BYTES)
    digests = [hashlib.sha256(data[start : start + _PIECE_BYTES]).digest() for start in starts]
    return hashlib.sha256(b"".join(digests)).hexdigest()[:_DIGEST_LENGTH]


@cache
def _file_digest(path: Path, size: int, modified: int, inode: int) -> str:
    """The digest of the digests of a file's pieces; two pieces of a large file are read at once."""
    starts = range(0, max(size, 1), _PIECE_BYTES)
    digests = []
    if len(starts) == 1:
        digests.append(_piece_digest(path, 0))
        progress.add_unplanned(size)
    else:
        with ThreadPoolExecutor(2) as pool:
            for start, digest in zip(
                starts, pool.map(lambda start: _piece_digest(path, start), starts), strict=True
            ):
                digests.append(digest)
                progress.add_unplanned(min(_PIECE_BYTES, size - start))
    return hashlib.sha256(b"".join(digests)).hexdigest()[:_DIGEST_LENGTH]


def _piece_digest(path: Path, start: int) -> bytes:
    state = hashlib.sha256()
    with path.open("rb") as source:
        source.seek(start)
        left = _PIECE_BYTES
        while left and (block := source.read(min(left, _READ_BYTES))):
            state.update(block)
            left -= len(block)
    return state.digest()


@cache
def code_digest(*modules: str) -> str:
    """Digest of the code of modules and their imports, by the rule of `matinee.store.source_code`."""
    return digest_of(code=known_digests(installed(), modules))
