"""The hash and the cutoffs that decide the subset of a row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matinee.split.hash_split import TEST, TRAIN, VALID, Cutoffs, pair_hash, select_cutoffs

_SPACE = 1 << 64


def _mix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % _SPACE
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % _SPACE
    return x ^ (x >> 31)


def _reference_hash(user: int, movie: int, seed: int) -> int:
    return _mix(_mix(_mix(seed * 0x9E3779B97F4A7C15 % _SPACE) ^ user) ^ movie)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**32 - 1))
def test_the_hash_follows_its_specification(user: int, movie: int, seed: int) -> None:
    found = pair_hash(np.array([user], np.int64), np.array([movie], np.int64), seed=seed)
    assert int(found[0]) == _reference_hash(user, movie, seed)


def test_the_hash_of_known_pairs_never_changes() -> None:
    found = pair_hash(np.array([1, 1488844], np.int64), np.array([1, 1], np.int64), seed=42)
    assert [hex(value) for value in found] == ["0x3ff5a2168ca658ec", "0xee1572c78edcd573"]
    assert len({int(value) >> 56 for value in pair_hash(np.arange(5000), np.arange(5000), seed=42)}) == 256


@given(st.lists(st.sampled_from([1.0, 2.0, 3.5]), max_size=300), st.floats(0.01, 0.9), st.integers(1, 4))
def test_each_rating_has_its_exact_share_below_the_cutoff(
    ratings: list[float], share: float, batches: int
) -> None:
    values = np.array(ratings, np.float32)
    hashes = pair_hash(np.arange(len(values)), np.arange(len(values)), seed=1)
    # Half of the hashes share their upper bits, so the exact position within a bin matters.
    hashes[::2] = hashes[::2] >> np.uint64(20)
    cut = np.array_split(np.arange(len(values)), batches)
    [cutoffs] = select_cutoffs(
        lambda: [(hashes[rows], values[rows]) for rows in cut],
        lambda rows: (round(rows * share),),
        shares=[share],
    )
    for rating in set(ratings):
        mine = hashes[values == rating]
        assert (mine < np.uint64(cutoffs[rating])).sum() == round(len(mine) * share)


def test_later_rows_have_the_share_although_the_first_ones_were_few() -> None:
    later = pair_hash(np.arange(100_000), np.arange(100_000), seed=1)
    for first in range(40):
        few = pair_hash(np.array([first]), np.array([7]), seed=1)
        none, some = select_cutoffs(
            lambda few=few: [(few, np.ones(1, np.float32))], lambda _: (0, 0), shares=[0, 0.1]
        )
        assert none[1.0] == 0
        if few[0] > np.uint64(_SPACE // 10):
            assert abs((later < np.uint64(some[1.0])).mean() - 0.1) < 0.005


def test_subsets_follow_the_cutoff_of_the_rating_or_the_share_for_a_new_rating() -> None:
    cutoffs = Cutoffs({1.0: 100}, {1.0: 200}, test_share=0.5, valid_share=0.5)
    hashes = np.array([99, 100, 199, 200, _SPACE // 2 - 1, _SPACE // 2, _SPACE * 3 // 4], np.uint64)
    ratings = np.array([1, 1, 1, 1, 2, 2, 2], np.float32)
    assert cutoffs.assign(hashes, ratings).tolist() == [TEST, VALID, VALID, TRAIN, TEST, VALID, TRAIN]
    assert Cutoffs.from_json(cutoffs.to_json()) == cutoffs
