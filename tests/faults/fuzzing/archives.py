"""Mutations of compressed files and archives, which keep checksums and lengths correct."""

import gzip
import io
import zipfile
from collections.abc import Callable
from random import Random

import pyarrow as pa
from fuzzing.mutations import (
    Mutation,
    spoil_lines,
)
from packed import zipped, zstd


def within(unpack: Callable[[bytes], bytes], pack: Callable[[bytes], bytes], inner: Mutation) -> Mutation:
    """Corrupt the content of a compressed file, and compress it again."""

    def spoil(data: bytes, rng: Random) -> bytes:
        return pack(inner(unpack(data), rng))

    return spoil


def unzstd(data: bytes) -> bytes:
    plain: bytes = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    return plain


def nest(data: bytes, rng: Random) -> bytes:
    """Compress many times, deeper than any real file, or write several frames one after another."""
    depth = rng.choice((2, 3, 30, 300))
    if rng.random() < 0.4:
        return data * rng.choice((2, 3)) + rng.choice((b"", bytes(10), rng.randbytes(10)))
    for _ in range(depth):
        data = gzip.compress(data, 1) if depth < 30 or rng.random() < 0.9 else zstd(data)
    return data


def spoil_frames(data: bytes, rng: Random) -> bytes:
    """Some streams one after another, of which the last is cut, or with something between them."""
    between = rng.choice((b"", bytes(4), bytes(3), rng.randbytes(5), data[:6]))
    return data + between + data[: rng.choice((len(data), len(data) - 1, 10))] * rng.choice((1, 2, 20))


def spoil_gzip(data: bytes, rng: Random) -> bytes:
    """Corrupt flags, names or the trailer of gzip, or its content."""
    way = rng.randrange(4)
    if way == 0:
        return data[:3] + bytes([rng.randrange(256)]) + data[4:]
    if way == 1:
        return data[:-8] + rng.choice((b"", rng.randbytes(8), data[-8:-4] + b"\xff" * 4, data[-8:] + data))
    if way == 2:
        return nest(data, rng)
    return gzip.compress(spoil_lines(gzip.decompress(data), rng), 1)


def spoil_tar(data: bytes, rng: Random) -> bytes:
    """Members with odd names, types and sizes whose header has the right checksum, or an archive without its end."""
    spoiled = bytearray(data)
    heads = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    at = rng.choice(heads)
    fields = {0: 100, 100: 8, 124: 12, 136: 12, 156: 1, 157: 100, 257: 8, 345: 155}
    start = rng.choice(list(fields))
    odd = [
        b"../../x",
        b"/etc/x",
        b"\xff" * 8,
        b"77777777777",
        b"\x80" + b"\xff" * 11,
        b"-1",
        b"",
        b"\x1b[2J",
        b"5",
        b"2",
        b"S",
        b"g",
        b"L",
    ]
    value = rng.choice((*odd, rng.randbytes(fields[start])))[: fields[start]]
    spoiled[at + start : at + start + fields[start]] = value.ljust(fields[start], b"\0")
    spoiled[at + 148 : at + 156] = b" " * 8
    spoiled[at + 148 : at + 156] = b"%06o\0 " % sum(spoiled[at : at + 512])
    way = rng.randrange(6)
    if way == 0:
        return data[: rng.choice((-1024, -512, -9216, heads[-1] - len(data), -1536))]
    return bytes(spoiled)


_ZIP_FIELDS = {  # of an entry of the directory, and of its end
    b"PK\1\2": ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4)),
    b"PK\3\4": ((6, 2), (8, 2), (18, 4), (22, 4), (26, 2), (28, 2)),
    b"PK\5\6": ((4, 2), (6, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
}


def spoil_zip(data: bytes, rng: Random) -> bytes:
    """A field of a zip's directory with an odd value, other files in it, or an archive in an archive."""
    way = rng.randrange(8)
    if way == 0:
        inner = rng.choice((data, data[:-22], data[: len(data) // 2]))
        return zipped({"a.zip": inner, rng.choice(("b.csv", "../b.csv", "/b.csv", ".b")): b"1,1,5\n"})
    if way == 1:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        name = rng.choice(sorted(files))
        files[name] = spoil_lines(files[name], rng)
        return zipped(files)
    magic = rng.choice(list(_ZIP_FIELDS))
    places = [at for at in range(len(data)) if data.startswith(magic, at)]
    start, size = rng.choice(_ZIP_FIELDS[magic])
    at = rng.choice(places) + start
    old = int.from_bytes(data[at : at + size], "little")
    odd = rng.choice((0, 1, old - 1, old + 1, old * 2, 12, 14, 1 << 30, 256**size - 1, 256**size - 2))
    return data[:at] + (odd % 256**size).to_bytes(size, "little") + data[at + size :]
