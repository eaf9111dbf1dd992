"""Containers: archives that are cut off, lie about themselves, or unpack to more than anybody wants."""

import gzip
import io
import tarfile
from collections.abc import Callable

import pyarrow as pa
from attacks.ground import Attack, Ground

HEADER = b"userID,movieID,rating\n"
ROWS = HEADER + b"".join(
    b"%d,%d,%d\n" % (user, movie, 1 + (user + movie) % 5) for user in range(10) for movie in range(10)
)
BLOCK = 512
ZEROS = bytes(1 << 20)


def tar(*members: tuple[str, bytes], ends: bool = True) -> bytes:
    """An archive of members; without its end where `ends` is false."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        whole = archive.offset
    return buffer.getvalue() if ends else buffer.getvalue()[:whole]


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


def zst(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content, asbytes=True)


def nested(levels: int) -> bytes:
    content = ROWS
    for _ in range(levels):
        content = gzip.compress(content, 1)
    return content


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


TWO = (("mv_1.csv", ROWS), ("mv_2.csv", ROWS))
FIRST = BLOCK + -(-len(ROWS) // BLOCK) * BLOCK  # bytes of the first member of TWO


def puts(content: bytes | Callable[[], bytes]) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        (ground.folder / "a.bin").write_bytes(content() if callable(content) else content)

    return prepare


def refused(name: str, content: bytes | Callable[[], bytes], *says: str, sets: str = "") -> Attack:
    words = ["ingest", "--ratings", "{folder}/a.bin", "--titles", "{titles}", "--store", "{folder}/new"]
    words += ["--set", sets] if sets else []
    return Attack(name, words, 3, puts(content), says=["a.bin", *says])


ATTACKS = [
    refused("a tar cut between members", tar(*TWO)[:FIRST], "corrupt or truncated", "end-of-archive"),
    refused("a tar without its two blocks of zeros", tar(*TWO, ends=False), "end-of-archive"),
    refused("a tar with one block of zeros", tar(*TWO, ends=False) + bytes(BLOCK), "end-of-archive"),
    refused("a tar cut within a header", tar(*TWO)[: FIRST + 200], "end-of-archive"),
    refused("a tar cut within a member", tar(*TWO)[: FIRST + BLOCK + 99], "mv_2.csv", "short"),
    refused("two tars joined", tar(*TWO) + tar(*TWO), "follows the end"),
    refused(
        "a tar with a hole of zeros", tar(*TWO)[:FIRST] + bytes(BLOCK) + tar(*TWO)[FIRST:], "block of zeros"
    ),
    refused("a tar with a wrong checksum", damaged(tar(*TWO), FIRST + 3), "a header in it is invalid"),
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
        lambda: tar(*((f"{n}", b"") for n in range(30))),
        "ingest.max_members",
        sets="ingest.max_members=20",
    ),
    refused("a tar.gz cut between members", gzip.compress(tar(*TWO)[:FIRST]), "end-of-archive"),
    refused(
        "a tar.gz whose gzip is cut behind the tar", gzip.compress(tar(*TWO))[:-4], "corrupt or truncated"
    ),
    refused("gzip nested 300 deep", lambda: nested(300), "ingest.max_depth"),
    refused("gzip cut within its second member", gzip.compress(ROWS) + gzip.compress(ROWS)[:-9], "Truncated"),
    refused("gzip with something behind it", gzip.compress(ROWS) + b"rm -rf", "corrupt or truncated"),
    refused(
        "gzip with a wrong checksum", damaged(gzip.compress(ROWS), len(gzip.compress(ROWS)) - 6), "corrupt"
    ),
    refused("zstd cut within its second frame", zst(ROWS) + zst(ROWS)[:-5], "Truncated"),
    refused("zstd with something behind it", zst(ROWS) + b"rm -rf /", "corrupt or truncated"),
    refused(
        "a bomb of one line of gzip",
        lambda: gzip.compress(HEADER + ZEROS.replace(b"\0", b"1") * 40, 1),
        "ingest.max_line_mb",
    ),
    refused(
        "a bomb in a hidden member that nobody reads",
        lambda: gzip.compress(tar(("a.csv", ROWS), (".hidden", ZEROS * 66)), 1),
        "ingest.max_ratio=150",
        sets="ingest.max_ratio=150",
    ),
    refused("a zip", b"PK\x03\x04" + ROWS, "zip archive", "Unpack"),
    refused("an empty zip", b"PK\x05\x06" + bytes(18), "zip archive"),
    refused(
        "a tar in a member of which the text is cut", tar(("in.tar", tar(*TWO)[:FIRST])), "end-of-archive"
    ),
    Attack(
        "a tar that escapes by its names",
        ["ingest", "--ratings", "{folder}/a.bin", "--titles", "{titles}", "--store", "{folder}/new"],
        0,
        puts(
            tar(
                ("../../../../tmp/escaped.csv", ROWS),
                ("\x1b[31m/\x1b]0;own\x07.csv", ROWS.replace(b"\n1", b"\n2")),
            )
        ),
    ),
]
