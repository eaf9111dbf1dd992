"""JSON lines: blocks that Arrow converts have the cells that Python would write."""

import csv
import io
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.containers import json_lines
from matinee.containers.json_table import plain_csv, plain_types
from matinee.containers.limits import Meter
from matinee.containers.member import TextPieces, begin
from matinee.settings.ingest import IngestSettings

TYPES = pa.schema({"user": pa.int64(), "item": pa.string(), "stars": pa.float64()})
texts = st.text(st.sampled_from('ab,"\n\r\t =é\x00🎬'), max_size=6)
plain = st.fixed_dictionaries(
    {"stars": st.none() | st.sampled_from([4, 4.5, -1.0, 0.1])},
    optional={
        "user": st.integers(-(2**63), 2**63 - 1),
        "item": texts,
        "text": texts,
        "other": st.lists(st.none()),
    },
)
ODD = [b"{}", b'{"user": 1}{"user": 2}', b'{"user": 1', b"", b'{"user": 1, "user": 2}', b'{"item": "\xff"}']
OTHER_TYPES = ({"user": 1.5}, {"user": 2**70}, {"item": 7}, {"stars": 1e9}, {"item": "\ud800"})
odd = st.sampled_from([*ODD, *(json.dumps(each).encode() for each in OTHER_TYPES)])


def read(text: bytes) -> list[list[Any]]:
    """The cells of CSV text; the last column as numbers, since 4.0 and 4 are the same rating."""
    rows = csv.reader(io.StringIO(text.decode(), newline=""))
    return [[*row[:2], row[2] and float(row[2])] for row in rows]


def expected(row: dict[str, Any]) -> list[Any]:
    """The cells of an object."""
    user, item, stars = ("" if row.get(name) is None else row[name] for name in TYPES.names)
    return [str(user), item.replace("\r", " ").replace("\n", " "), stars]


@given(st.lists(plain, min_size=1, max_size=8), st.booleans())
def test_plain_objects_have_the_cells_that_python_writes(
    rows: list[dict[str, Any]], ascii_only: bool
) -> None:
    text = plain_csv([json.dumps(row, ensure_ascii=ascii_only).encode() for row in rows], TYPES)
    assert text is not None
    assert read(text) == [expected(row) for row in rows]


@given(st.lists(odd | plain.map(lambda row: json.dumps(row).encode()), min_size=1, max_size=8))
def test_a_block_with_an_odd_line_is_left_to_python_or_means_the_same(lines: list[bytes]) -> None:
    text = plain_csv(lines, TYPES) if json_lines._are_whole(lines) else None
    if text is not None:
        assert read(text) == [expected(json.loads(line)) for line in lines]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({int}, pa.int64()),
        ({str}, pa.string()),
        ({int, float}, None),  # 113 and 113.0 are two ids
        ({int, str}, None),
        ({bool}, None),
        ({list}, None),
        (set(), None),
    ],
)
def test_a_column_of_one_kind_has_a_type(kinds: set[type], expected: pa.DataType | None) -> None:
    types = plain_types({"id": kinds}, fractions=set())
    assert (types and types.field("id").type) == expected


def test_a_file_has_the_same_rows_whoever_converts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"user_id": n, "movie_id": f"tt{n}", "rating": n % 5 + 0.5, "date": "2004-01-01"} for n in range(300)
    ]
    lines = [json.dumps(row) for row in rows]
    lines[100:100] = ["", "no object"]
    lines[200:200] = ['{"user_id": "x", "movie_id": "a,b", "rating": 3}']
    source = "\n".join(lines).encode()

    def convert() -> bytes:
        meter = Meter("r.jsonl", len(source), IngestSettings())
        member = json_lines.json_as_csv(begin("r.jsonl", TextPieces(iter([source]))), meter, "r.jsonl")
        return b"".join(member.chunks())

    monkeypatch.setattr(json_lines, "_BLOCK_BYTES", 1 << 10)
    blocks: list[bool] = []

    def by_arrow(lines: list[bytes], types: pa.Schema) -> bytes | None:
        text = plain_csv(lines, types)
        blocks.append(text is not None)
        return text

    monkeypatch.setattr(json_lines, "plain_csv", by_arrow)
    fast = convert()
    monkeypatch.setattr(json_lines, "plain_types", lambda *_, **__: None)
    assert fast == convert()
    assert fast.count(b"\n") == len(lines) + 1
    assert {True, False} == {*blocks}
