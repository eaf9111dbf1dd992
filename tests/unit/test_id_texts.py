"""Numbers, tables and maps of text ids: what they are, and how they are compared."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.errors import ConfigError, DataError
from matinee.ingest.partitions.id_texts import merge_texts
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading import text_table
from matinee.ingest.reading.text_table import NumberedTexts, TextTable
from matinee.release.idmap import IdMap, parse_id
from matinee.schemas.delimiters import DELIMITERS
from matinee.schemas.text_ids import ids_within, number_of, numbers_of_column
from matinee.store.erased_users import ErasedUser, Forgotten


def test_the_number_of_a_text_is_specified() -> None:
    assert [number_of(text) for text in ("tt0114508", "é", "")] == [
        173699350030438307,
        3394012004367669963,
        3797230976420062948,
    ]
    column = pa.chunked_array([["b", "a"], ["b"]])
    assert numbers_of_column(column).tolist() == [number_of(text) for text in ("b", "a", "b")]


@given(st.lists(st.lists(st.binary(max_size=40), max_size=40), max_size=4))
@settings(max_examples=15, deadline=None)
def test_a_table_gives_each_distinct_text_one_code(blocks: list[list[bytes]]) -> None:
    table, known = TextTable(), dict[bytes, int]()
    for texts in blocks:
        starts = np.cumsum([0, *map(len, texts)])[:-1]
        places = starts << kernel.PLACE | np.array([*map(len, texts)], np.int64)
        codes = table.add(np.frombuffer(b"".join(texts), np.uint8), places)
        assert codes.tolist() == [known.setdefault(text, len(known)) for text in texts]
    assert table.texts() == list(known)


def test_two_texts_with_one_number_are_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "numbers_of", lambda texts: np.zeros(len(list(texts)), np.int64))
    texts = NumberedTexts()
    assert texts.number_each([b"one", b"other"]).tolist() == [0, 0]
    with pytest.raises(DataError, match="'one' and 'other' have the same"):
        list(texts.columns(np.array([0])))


def test_texts_of_a_single_table_are_sorted_and_checked_too() -> None:
    table = pl.DataFrame({"id": [3, 1, 2], "text": ["c", "a", "b"]})
    assert merge_texts([table]).rows() == [(1, "a"), (2, "b"), (3, "c")]
    with pytest.raises(DataError, match="'a' and 'b' have the same 63-bit number"):
        merge_texts([table.with_columns(id=pl.lit(1, pl.Int64)).filter(pl.col("text") != "c")])


def test_a_map_of_texts_knows_texts_alone_and_compares_them() -> None:
    texts = ["a", "tt0114508"]
    keys = np.sort([number_of(text) for text in texts])
    found = IdMap(keys, pa.array(sorted(texts, key=number_of), pa.large_string()))
    assert found.ids[found.find(["tt0114508", "a", "a"], "user")].tolist() == ["tt0114508", "a", "a"]
    assert found.find([["zz"], ["a"]], "user").tolist() == [[-1], [int(found.find("a", "user"))]]
    stranger = IdMap(keys, pa.array(["x", "y"], pa.large_string()))  # other texts of the same numbers
    assert stranger.find(texts, "user").tolist() == [-1, -1]
    for wrong in (7, [7, "a"], None, np.array([1.5]), ["a", None]):
        with pytest.raises(ConfigError, match="expected a text, such as"):
            found.find(wrong, "user")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="'a' is not an id of a movie; expected a whole number"):
        parse_id("a", "movie", is_text=False)


def test_any_text_may_be_the_id_of_an_erased_user() -> None:
    texts = (" 007 ", "-5", "+-5", "9" * 5000, f"{2**63}", "٣")
    assert [ErasedUser.of(text).number for text in texts] == [7, -5, None, None, None, None]


def test_lines_that_mention_an_erased_text_id_are_known() -> None:
    listed = Forgotten(b"key").plus("a b").plus("0017")
    assert [listed.mentioned(text) for text in ('x;"a b";5', "0017|3|", "u\t17", "ab,3", "=a b,")] == [
        *(True, True, True, False, True)
    ]
    for delimiter in DELIMITERS.values():
        assert ids_within(f"a{delimiter}b") >= {"a", "b"}
    for line in ('"x""y",5', '5,"x\\"y"', 'x"y;5'):  # as files escape a quote
        assert Forgotten(b"key").plus('x"y').mentioned(line), line
        assert ErasedUser.of('x"y').is_mentioned(line), line
    numbers = np.array([number_of("a b"), 17, number_of("0017")])
    assert listed.texts_among(numbers).tolist() == [True, False, True]
    assert listed.among(numbers).tolist() == [False, True, False]
