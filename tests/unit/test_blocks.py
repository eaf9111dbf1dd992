"""Rows sorted into blocks: the same rows, in the same order, however many threads and parts sort them."""

import numpy as np
import pytest

from matinee.store.ratings import EncodedRatings
from matinee.train.blocks import BlockedRows, Cut, KernelPool, block_rows


@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_sorted_alike_in_any_number_of_parts(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, rows = np.random.default_rng(0), 1000
    users, movies = (draw.integers(0, size, rows).astype(np.int32) for size in (90, 50))
    ratings = EncodedRatings(users, movies, np.arange(rows, dtype=np.float32))
    cut = Cut.of((np.bincount(users, minlength=90), np.bincount(movies, minlength=50)))

    def sort(part_rows: int, threads: int) -> BlockedRows:
        monkeypatch.setattr("matinee.train.blocks._PART_ROWS", part_rows)
        return block_rows(ratings, cut, seed=3, pool=KernelPool(threads))

    once, parts = sort(1 << 22, 1), sort(64, threads)
    for column, expected in zip(parts.columns, once.columns, strict=True):
        np.testing.assert_array_equal(column, expected)
    block = cut.user_group[parts.rows.users] * cut.groups + cut.movie_group[parts.rows.movies]
    np.testing.assert_array_equal(block, np.repeat(np.arange(cut.groups**2), parts.sizes))
    assert sorted(parts.rows.ratings) == list(range(rows))
