"""Encoding: dense codes in the order of the ids, and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matinee.release.idmap import UNKNOWN, IdMap

ids = st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 300), max_size=60)


@given(ids)
def test_decode_undoes_encode(known: list[int]) -> None:
    values = np.array(known, np.int64)
    codes = IdMap.fit([values]).encode(values)
    assert np.array_equal(IdMap.fit([values]).decode(codes), values)
    assert set(codes.tolist()) == set(range(len(set(known))))


@given(ids, ids)
def test_an_unseen_id_is_unknown(known: list[int], asked: list[int]) -> None:
    codes = IdMap.fit([np.array(known, np.int64)]).encode(np.array(asked, np.int64))
    for value, code in zip(asked, codes, strict=True):
        assert (code == UNKNOWN) == (value not in known)


def test_batches_are_merged_in_ascending_order() -> None:
    merged = IdMap.fit([np.array([7, 3], np.int64), np.array([3, 1], np.int64)])
    assert merged.ids.tolist() == [1, 3, 7]
    assert merged.encode(np.array([[7, 1], [2, 3]], np.int64)).tolist() == [[2, 0], [UNKNOWN, 1]]
