"""Containers: archives that are cut off, lie about themselves, or unpack to more than anybody wants."""

import bz2
import gzip
import io
import lzma
import zlib

import numpy as np
import pyarrow as pa
from attacks.ground import Attack
from attacks.spoiling import Content, puts
from packed import nested, tar, zipped, zstd
from pyarrow import feather

HEADER = b"userID,movieID,rating\n"
ROWS = HEADER + b"".join(
    b"%d,%d,%d\n" % (user, movie, 1 + (user + movie) % 5) for user in range(10) for movie in range(10)
)
BLOCK = 512
ZEROS = bytes(1 << 20)
LONG_ROW = b"1,1,5" + b" " * 1018 + b"\n"


def header(*, name: bytes = b"a.csv", size: bytes = b"00000000000", kind: bytes = b"0") -> bytes:
    """A tar header with a right checksum."""
    block = bytearray(BLOCK)
    block[:100] = name.ljust(100, b"\0")
    block[124:136] = size.ljust(12, b"\0")
    block[156:157] = kind
    block[257:265] = b"ustar  \0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


def claiming(entries: int) -> bytes:
    """A zip whose end claims another number of entries."""
    whole = bytearray(zipped(TWO))
    whole[-14:-10] = 2 * entries.to_bytes(2, "little")
    return bytes(whole)


TWO = {"mv_1.csv": ROWS, "mv_2.csv": ROWS}


def overlapping() -> bytes:
    """A zip whose directory leads to the same bytes twice."""
    whole = zipped(TWO)
    second = whole.rindex(b"PK\x01\x02")
    return whole[: second + 42] + bytes(4) + whole[second + 46 :]


def lying() -> bytes:
    """A zip whose directory says that its file has ten bytes."""
    whole = zipped({"a.csv": ROWS})
    listed = whole.rindex(b"PK\x01\x02")
    return whole[: listed + 24] + (10).to_bytes(4, "little") + whole[listed + 28 :]


def encrypted() -> bytes:
    """A zip whose directory says that its file is encrypted."""
    whole = zipped({"a.csv": ROWS})
    listed = whole.rindex(b"PK\x01\x02")
    return whole[: listed + 8] + b"\x01" + whole[listed + 9 :]


def xz_of_4_gb() -> bytes:
    """xz whose block header asks for the largest dictionary, with the right checksum."""
    whole = bytearray(lzma.compress(ROWS))
    size = 4 * (whole[12] + 1)
    whole[whole.index(b"\x21\x01", 12, 12 + size) + 2] = 40
    whole[12 + size - 4 : 12 + size] = zlib.crc32(whole[12 : 12 + size - 4]).to_bytes(4, "little")
    return bytes(whole)


def arrow_bomb() -> bytes:
    """A batch of zeros, compressed."""
    buffer = io.BytesIO()
    zeros = pa.array(np.zeros(1 << 25, np.int64))
    feather.write_feather(
        pa.table({"userID": zeros, "movieID": zeros, "rating": zeros}), buffer, "zstd", chunksize=1 << 25
    )
    return buffer.getvalue()


FIRST = BLOCK + -(-len(ROWS) // BLOCK) * BLOCK  # bytes of the first member of TWO


def refused(name: str, content: Content, *says: str, sets: str = "") -> Attack:
    words = ["ingest", "--ratings", "{folder}/a.bin", "--titles", "{titles}", "--store", "{folder}/new"]
    words += ["--set", sets] if sets else []
    return Attack(name, words, 3, puts("a.bin", content), says=["a.bin", *says])


ATTACKS = [
    refused("a tar cut between members", tar(TWO)[:FIRST], "corrupt or truncated", "end-of-archive"),
    refused("a tar without its two blocks of zeros", tar(TWO, ends=False), "end-of-archive"),
    refused("a tar with one block of zeros", tar(TWO, ends=False) + bytes(BLOCK), "end-of-archive"),
    refused("a tar cut within a header", tar(TWO)[: FIRST + 200], "end-of-archive"),
    refused("a tar cut within a member", tar(TWO)[: FIRST + BLOCK + 99], "mv_2.csv", "short"),
    refused("two tars joined", tar(TWO) + tar(TWO), "follows the end"),
    refused(
        "a tar with a hole of zeros", tar(TWO)[:FIRST] + bytes(BLOCK) + tar(TWO)[FIRST:], "block of zeros"
    ),
    refused("a tar with a wrong checksum", damaged(tar(TWO), FIRST + 3), "a header in it is invalid"),
    refused(
        "a tar member of size below zero",
        header(size=b"\xff" * 12) + bytes(2 * BLOCK),
        "number in one of its headers",
    ),
    refused("a tar member that claims 8 GB", header(size=b"77777777777") + ROWS, "short"),
    refused("a tar whose long name is 8 GB", header(kind=b"L", size=b"77777777777") + ROWS, "bytes long"),
    refused("a tar of sparse files", header(kind=b"S") + bytes(2 * BLOCK), "sparse"),
    refused(
        "a tar with attributes of no length",
        header(kind=b"x", size=b"00000000012") + b"99 size=1\n".ljust(BLOCK, b"\0") + bytes(2 * BLOCK),
        "extended header",
    ),
    refused(
        "a tar of more entries than any set has",
        lambda: tar({f"{n}": b"" for n in range(30)}),
        "ingest.max_members",
        sets="ingest.max_members=20",
    ),
    refused("a tar.gz cut between members", gzip.compress(tar(TWO)[:FIRST]), "end-of-archive"),
    refused(
        "a tar.gz whose gzip is cut behind the tar", gzip.compress(tar(TWO))[:-4], "corrupt or truncated"
    ),
    refused("gzip nested 300 deep", lambda: nested(ROWS, 300), "ingest.max_depth"),
    refused("gzip cut within its second member", gzip.compress(ROWS) + gzip.compress(ROWS)[:-9], "Truncated"),
    refused("gzip with something behind it", gzip.compress(ROWS) + b"rm -rf", "corrupt or truncated"),
    refused(
        "gzip with a wrong checksum", damaged(gzip.compress(ROWS), len(gzip.compress(ROWS)) - 6), "corrupt"
    ),
    refused("zstd cut within its second frame", zstd(ROWS) + zstd(ROWS)[:-5], "Truncated"),
    refused("zstd with something behind it", zstd(ROWS) + b"rm -rf /", "corrupt or truncated"),
    refused(
        "a bomb of one line of gzip",
        lambda: gzip.compress(HEADER + ZEROS.replace(b"\0", b"1") * 40, 1),
        "ingest.max_line_mb",
    ),
    refused(
        "a bomb in a hidden member that nobody reads",
        lambda: gzip.compress(tar({"a.csv": ROWS, ".hidden": ZEROS * 66}), 1),
        "ingest.max_ratio=150",
        sets="ingest.max_ratio=150",
    ),
    refused("a zip without its directory", b"PK\x03\x04" + ROWS, "zip archive ends without its directory"),
    refused("an empty zip", b"PK\x05\x06" + bytes(18), "no rating file"),
    refused("a zip of a zip cut off", zipped({"in.zip": zipped(TWO)[:-30]}), "zip archive ends without"),
    refused("a zip with a wrong checksum", damaged(zipped(TWO), 45), "corrupt or truncated"),
    refused("a zip whose entries overlap", overlapping(), "overlap"),
    refused("a zip that names more entries than it has", claiming(9), "directory of the zip archive"),
    refused(
        "a zip of more entries than any set has",
        lambda: zipped({f"{n}": b"" for n in range(30)}),
        "ingest.max_members",
        sets="ingest.max_members=20",
    ),
    refused("a zip that says that its file is smaller", lying(), "bytes long, as the directory says"),
    refused("an encrypted zip", encrypted(), "encrypted", "password"),
    refused("a bomb of zip", lambda: zipped({"a.csv": HEADER + LONG_ROW * 70_000}), "ingest.max_ratio"),
    refused(
        "a bomb of bz2",
        bz2.compress(HEADER + LONG_ROW) + bz2.compress(LONG_ROW * 1000) * 68,
        "ingest.max_ratio",
    ),
    refused(
        "a bomb of xz",
        lzma.compress(HEADER + LONG_ROW) + lzma.compress(LONG_ROW * 1000) * 68,
        "ingest.max_ratio",
    ),
    refused("xz that asks for 4 GB of memory", xz_of_4_gb(), "corrupt or truncated", "emory"),
    refused("bz2 with something behind it", bz2.compress(ROWS) + b"rm -rf", "corrupt or truncated"),
    refused("xz with something behind it", lzma.compress(ROWS) + b"rm -rf", "corrupt or truncated"),
    refused("a bomb of Arrow", arrow_bomb, "ingest.max_ratio"),
    refused(
        "a tar in a member of which the text is cut", tar({"in.tar": tar(TWO)[:FIRST]}), "end-of-archive"
    ),
    Attack(
        "a tar that escapes by its names",
        ["ingest", "--ratings", "{folder}/a.bin", "--titles", "{titles}", "--store", "{folder}/new"],
        0,
        puts(
            "a.bin",
            tar(
                {
                    "../../../../tmp/escaped.csv": ROWS,
                    "\x1b[31m/\x1b]0;own\x07.csv": ROWS.replace(b"\n1", b"\n2"),
                }
            ),
        ),
    ),
]
