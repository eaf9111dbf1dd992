"""Assigns rows to the subsets of a stratified split by comparing a hash of the pair with one cutoff per rating.

The hash and the cutoffs decide alone, so which rows a model was trained on is a pure function of the ids.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matinee.formats.manifests import HashCutoffs
from matinee.splitmix64 import GOLDEN, mix

TRAIN, VALID, TEST = range(3)
Subset = Literal["train", "valid", "test"]
SUBSETS: tuple[Subset, ...] = ("train", "valid", "test")  # in the order of TRAIN, VALID, TEST
Hashes = NDArray[np.uint64]
Subsets = NDArray[np.int8]

_BINS = 1 << 16
_SPACE = 1 << 64
_MOST_STRATA = 256


def pair_hash(user_ids: NDArray[np.int64], movie_ids: NDArray[np.int64], *, seed: int) -> Hashes:
    """A 64-bit hash of (user_id, movie_id), uniform and the same on every machine.

    mix(mix(mix(seed * golden) ^ user_id) ^ movie_id), all modulo 2**64, where mix is the finalizer of
    splitmix64 and golden the number that it adds in each step.
    """
    start = mix(np.array([seed * GOLDEN % _SPACE], np.uint64))
    return mix(mix(start ^ user_ids.astype(np.uint64)) ^ movie_ids.astype(np.uint64))


@dataclass(frozen=True)
class Cutoffs:
    """One pair of cutoffs per rating: below the first a row is a test row, below the second a valid row.

    A rating that the first dataset did not have uses the overall shares instead.
    """

    test: Mapping[float, int]
    valid: Mapping[float, int]
    test_share: float
    valid_share: float

    def assign(self, hashes: Hashes, ratings: NDArray[np.float32]) -> Subsets:
        """TRAIN, VALID or TEST for each row."""
        values, place = np.unique(ratings, return_inverse=True)
        test = _limits(self.test, values, self.test_share)[place]
        valid = _limits(self.valid, values, share_below_valid(self.test_share, self.valid_share))[place]
        return np.where(hashes < test, TEST, np.where(hashes < valid, VALID, TRAIN)).astype(np.int8)

    def to_json(self) -> HashCutoffs:
        """The form that a manifest holds: hashes as hexadecimal text, because JSON readers round large numbers."""
        return HashCutoffs(
            test={str(rating): hex(cutoff) for rating, cutoff in self.test.items()},
            valid={str(rating): hex(cutoff) for rating, cutoff in self.valid.items()},
            test_share=self.test_share,
            valid_share=self.valid_share,
        )

    @classmethod
    def from_json(cls, kept: HashCutoffs) -> "Cutoffs":
        """The inverse of `to_json`."""
        test, valid = (
            {float(rating): int(cutoff, 16) for rating, cutoff in subset.items()}
            for subset in (kept.test, kept.valid)
        )
        return cls(test, valid, kept.test_share, kept.valid_share)


def share_below_valid(test_share: float, valid_share: float) -> float:
    """The share of test and valid rows together; the second share is that of valid rows among the others."""
    return test_share + (1 - test_share) * valid_share


def _limits(cutoffs: Mapping[float, int], values: NDArray[np.float32], share: float) -> Hashes:
    return np.array([cutoffs.get(float(value), int(share * _SPACE)) for value in values], np.uint64)


def select_cutoffs(
    rows: Callable[[], Iterable[tuple[Hashes, NDArray[np.float32]]]],
    ranks: Callable[[int], tuple[int, ...]],
    *,
    shares: Sequence[float],
) -> list[dict[float, int]]:
    """For each rating, find cutoffs that exactly `ranks(rows of the rating)` hashes are below.

    Any number between two neighboring hashes is such a cutoff. The one nearest to the share is chosen, because later
    rows are compared with it too: a rating with few rows so far must not keep the share that chance gave it.

    The rows are read twice: first into a histogram by the upper 16 bits, then the rows of the bins that hold a cutoff.
    Memory holds the histogram and those rows, never a whole column. Ratings on a continuous scale have no cutoffs: a
    quota of a few rows would round to none, and the shares of all rows apply.
    """
    bins: dict[float, NDArray[np.int64]] = {}
    for hashes, ratings in rows():
        tops = (hashes >> np.uint64(48)).astype(np.int64)
        for rating in np.unique(ratings):
            counts = np.bincount(tops[ratings == rating], minlength=_BINS)
            bins[float(rating)] = bins.get(float(rating), 0) + counts
            if len(bins) > _MOST_STRATA:
                return [{} for _ in shares]
    wanted = {rating: ranks(int(counts.sum())) for rating, counts in bins.items()}
    below = {rating: np.concatenate([[0], np.cumsum(counts)]) for rating, counts in bins.items()}
    homes = {
        rating: [int(np.searchsorted(below[rating], rank, side="right")) - 1 for rank in wanted[rating]]
        for rating in bins
    }
    kept: dict[tuple[float, int], list[Hashes]] = {}
    for hashes, ratings in rows():
        tops = (hashes >> np.uint64(48)).astype(np.int64)
        for rating, places in homes.items():
            for home in set(places):
                kept.setdefault((rating, home), []).append(hashes[(tops == home) & (ratings == rating)])
    cutoffs: list[dict[float, int]] = [{} for _ in shares]
    for rating in sorted(bins):
        for number, (home, rank) in enumerate(zip(homes[rating], wanted[rating], strict=True)):
            found = np.sort(np.concatenate(kept[rating, home]))
            place = rank - int(below[rating][home])
            highest = int(found[place]) if place < len(found) else _SPACE - 1
            end_of_earlier = (
                int(np.searchsorted(below[rating], rank)) << 48
            )  # of the last bin before that has a row
            lowest = int(found[place - 1]) + 1 if place else end_of_earlier
            cutoffs[number][rating] = min(max(int(shares[number] * _SPACE), lowest), highest)
    return cutoffs
