"""Recognise files that are not text by their first bytes, for readers that expect a table as text."""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from matinee.errors import DataError

_CONTROL: Final = bytes(byte for byte in range(32) if byte not in b"\t\n\f\r")
_STRAY: Final = 8  # a short file may have so many control characters; their rows are rejected
_LONGEST_TAG: Final = 256
_HIVE: Final = b"\x01"
_MARKUP: Final = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")
_SQL: Final = re.compile(
    rb"(insert into|create table|drop table|(--\s*)+[a-z]* ?(mysql|mariadb|postgresql|sqlite)[^\n]* dump)\b"
)
_UNPACK: Final = "Unpack it, or save it as {ways}."
_CONVERT: Final = "Convert it to Parquet or CSV."
_OTHER: Final = "Check that it is the right file."
_QUERY: Final = "Give a query as the source, sqlite:///FILE?query=select ..., or save the table as CSV."
_DECRYPT: Final = "Decrypt it first."
_MAGIC: Final = {
    b"PK\x03\x04": ("a zip archive (or a spreadsheet of one)", _UNPACK),
    b"PK\x05\x06": ("an empty zip archive", _UNPACK),
    b"PK\x07\x08": ("a part of a zip archive", _UNPACK),
    b"\xd0\xcf\x11\xe0": ("an old Office file, such as .xls", _CONVERT),
    b"%PDF": ("a PDF", _OTHER),
    b"\x7fELF": ("a program", _OTHER),
    b"\x89PNG": ("a picture", _OTHER),
    b"\xff\xd8\xff": ("a picture", _OTHER),
    b"BZh": ("a bzip2 archive", _UNPACK),
    b"\xfd7zXZ": ("an xz archive", _UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", _UNPACK),
    b"Rar!": ("a rar archive", _UNPACK),
    b"\x04\x22\x4d\x18": ("an lz4 archive", _UNPACK),
    b"\x1f\x9d": ("a compress archive (.Z)", _UNPACK),
    b"SQLite format 3": ("an SQLite database", _QUERY),
    b"ARROW1": ("an Arrow file", _CONVERT),
    b"PARE": ("an encrypted Parquet file", _DECRYPT),
    b"ORC": ("an ORC file", _CONVERT),
    b"Obj\x01": ("an Avro file", _CONVERT),
    b"\x93NUMPY": ("a numpy array", _CONVERT),
    b"\xff\xff\xff\xff": ("an Arrow stream (not an Arrow file)", _CONVERT),
    b"\x5d\x00\x00": ("an archive in the old lzma format (.lzma)", _UNPACK),
    b"FEA1": ("an Arrow file of version 1", _CONVERT),
    b"RDX": ("an R data file", _CONVERT),
    b"MATLAB": ("a MATLAB file", _CONVERT),
    b"<stata_dta>": ("a Stata file", _CONVERT),
    b"$FL": ("an SPSS file", _CONVERT),
    bytes(12) + b"\xc2\xea\x81\x60": ("a SAS file", _CONVERT),
}
# Magic numbers that a header of a table may begin with, such as `ORCID`; such files have control characters too.
_LIKE_TEXT: Final = frozenset({b"BZh", b"Rar!", b"PARE", b"ORC", b"FEA1", b"RDX", b"MATLAB", b"$FL"})
_PRINTABLE: Final = bytes(byte for byte in range(256) if byte not in _CONTROL)


def refuse_other_kinds(
    head: bytes,
    label: str,
    *,
    expected: str,
    packings: Sequence[str] = (".gz", ".zst", "Parquet"),
    also: Mapping[bytes, str] = MappingProxyType({}),
) -> None:
    """Raise DataError if a file is empty or not text.

    Args:
        head: The first bytes of the file.
        label: The name of the file in errors.
        expected: What was expected, for the error.
        packings: Other forms that the reader accepts.
        also: Further kinds by their first bytes.
    """
    if not head:
        raise DataError(f"{label} is empty. Expected {expected}.")
    refuse_code(head, label)
    known = {**_MAGIC, **{magic: (kind, _UNPACK) for magic, kind in also.items()}}
    found = next(
        (
            each
            for magic, each in known.items()
            if head.startswith(magic) and (magic not in _LIKE_TEXT or head.translate(None, _PRINTABLE))
        ),
        None,
    )
    if found:
        kind, remedy = found
        ways = " or ".join(["CSV", *(f".csv{way}" for way in packings if way.startswith("."))])
        raise DataError(f"{label} is {kind}, not text. {remedy.format(ways=ways)}")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{label} is written in UTF-16. Save it as UTF-8 (a plain CSV), then run again.")
    refuse_other_json(head, label)
    refuse_hive_text(head, label)
    control = len(head) - len(head.translate(None, _CONTROL))
    if control > max(_STRAY, len(head) // 50):
        raise DataError(
            f"{label} has binary content ({control:,} of the first {len(head):,} bytes are not text). "
            f"Expected {expected}, as text or {' or '.join(packings)}. Check that it is the right file and complete."
        )


def refuse_hive_text(head: bytes, label: str) -> None:
    """Raise DataError for a text whose fields are delimited by the control character ^A."""
    lines = [line for line in head.split(b"\n")[:-1] or [head] if line]
    widths = {line.count(_HIVE) for line in lines}
    others = head.translate(None, _CONTROL.replace(_HIVE, b""))
    if len(widths) == 1 and min(widths) > 0 and len(others) == len(head):
        raise DataError(
            f"{label} has fields that are delimited by the control character ^A, as Hive writes text. Replace it, for "
            "example by tr '\\001' '\\t' < FILE."
        )


def refuse_code(head: bytes, label: str) -> None:
    """Raise DataError for DuckDB and HDF5, which need other libraries, and for pickles, which can run any code."""
    if head[8:12] == b"DUCK" and b"\0" in head[12:20]:  # between a checksum and a number of 8 bytes
        raise DataError(f"{label} is a DuckDB database, not text. {_QUERY.replace('sqlite', 'duckdb')}")
    if head.startswith(b"\x89HDF"):
        raise DataError(
            f"{label} is an HDF5 file, which is not read. Convert it, for example by "
            "pandas.read_hdf(FILE).to_parquet('ratings.parquet')."
        )
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        raise DataError(
            f"{label} is a Python pickle, which is never loaded because it can run any code. If you trust it, convert "
            "it by pandas.read_pickle(FILE).to_parquet('ratings.parquet')."
        )


def refuse_other_json(head: bytes, label: str) -> None:
    """Raise DataError for JSON that is not JSON lines, for web pages and pointers."""
    text = head.lstrip(BOM_UTF8 + b" \t\r\n")
    start = text[:_LONGEST_TAG].lower()
    if start.startswith(_MARKUP) or (start.startswith(b"<") and b">" in start):
        raise DataError(
            f"{label} is a web page or XML, not a table. If it was downloaded, the download may need a login or "
            "another address: open it in a browser to see what it says."
        )
    if start.startswith(b"version https://git-lfs"):
        raise DataError(
            f"{label} is a pointer of Git LFS: the data itself is not there. Fetch it, for example by git lfs pull."
        )
    if _SQL.match(start):
        raise DataError(
            f"{label} is a dump of a database in SQL. Load it, and give a query as the source or export the table as "
            "CSV."
        )
    if text.startswith(b"[") and text[1:].lstrip().startswith((b"{", b"[")):
        raise DataError(
            f"{label} is a JSON array. Save it with one object per line (JSON lines), for example by jq -c '.[]' FILE."
        )
    if text.startswith(b"{") and not text.startswith((b"{'", b"{u'")):
        raise DataError(
            f"{label} is JSON whose first line is not an object of its own. Save it with one object per line and no "
            "commas between them (JSON lines), for example by jq -c . FILE."
        )
    if text.startswith((b"{'", b"{u'")):
        raise DataError(
            f"{label} holds Python dictionaries, not JSON: its first line begins with {{'. Convert each line by "
            "json.dumps(ast.literal_eval(line))."
        )
