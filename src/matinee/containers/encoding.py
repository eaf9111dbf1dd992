"""Text in any encoding becomes UTF-8. Eight-bit text of an unnamed encoding stays: lines are decoded one by one.

A byte order mark decides; else `ingest.encoding`; else text with a null byte in every other place is UTF-16.
"""

import codecs
from collections.abc import Iterator
from typing import Final

from matinee.containers.member import HEAD_BYTES, Member, TextPieces, begin
from matinee.errors import DataError

_MARKS: Final = (
    (codecs.BOM_UTF8, None),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE: Final = ("utf-16", "utf-32")
_FEWEST_NULLS: Final = 0.1  # of the bytes of UTF-16: digits and delimiters of a table have one each
_ONE_SIDE: Final = 0.95  # of the null bytes are high bytes, or all are low ones
_CHUNK_BYTES: Final = 1 << 18
# The characters of Windows-1252 where ISO-8859-1 has control characters. Five bytes have none and stay.
_WINDOWS: Final = {
    byte: char for byte in range(0x80, 0xA0) if (char := bytes([byte]).decode("cp1252", "ignore"))
}


def decode_line(raw: bytes) -> str:
    """A line as text: UTF-8, else Windows-1252, which is ISO-8859-1 where that has letters."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("iso-8859-1").translate(_WINDOWS)


def as_utf8(member: Member, asked: str, label: str) -> Member:
    """A text in UTF-8, or in eight bits if it is not known better.

    Args:
        member: The text.
        asked: `auto`, or the encoding to take unless there is a byte order mark.
        label: The name of the file in errors, which are raised while it is read.
    """
    encoding = _find_encoding(member.head, asked)
    if encoding is None:
        return member
    texts = TextPieces(_decoded(member, encoding, label))
    return begin(member.name, texts, in_archive=member.in_archive, line_shift=member.line_shift)


def _find_encoding(head: bytes, asked: str) -> str | None:
    """The encoding to decode by; None to leave the bytes as they are."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    wide = _find_wide(head)
    if asked != "auto" and (wide or not asked.startswith(_WIDE)):
        return asked
    return wide


def _find_wide(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: its characters are pairs of bytes, of which one is mostly null."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    nulls = even + odd
    if nulls < _FEWEST_NULLS * len(head) or max(even, odd) < _ONE_SIDE * nulls or not nulls:
        return None
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    whole = head[: len(head) // 2 * 2 - 2 * (len(head) == HEAD_BYTES)]  # a character may be cut in two
    try:
        text = whole.decode(encoding)
    except UnicodeDecodeError:
        return None
    return encoding if "\n" in text or "\r" in text or len(head) < HEAD_BYTES else None


def _decoded(member: Member, encoding: str, label: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, first = 0, True
    while True:
        chunk = member.read(_CHUNK_BYTES)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding, "ignore")
            raise DataError(
                f"{label}, line {lines + before.count(chr(10)) + 1:,} is not {encoding} ({error.reason}). Set "
                "ingest.encoding to the encoding of the file, or save it as UTF-8."
            ) from None
        if text:
            yield (text.removeprefix("\ufeff") if first else text).encode("utf-8", "replace")
            lines, first = lines + text.count("\n"), False
        if not chunk:
            return
