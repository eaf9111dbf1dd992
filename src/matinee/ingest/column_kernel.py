"""Compiled loops over whole columns: counts by id and by rating, keys of pairs, and repeated keys."""

from typing import Any

import numpy as np

from matinee.store.compiled import njit

compiled: Any = njit(nogil=True, cache=True)

FREE = -1  # an empty slot of a table of ids; ids are not negative
HALVES = 201  # 0, 0.5, ..., 100, which `count_halves` counts
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: Fibonacci hashing
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # splitmix64's


@compiled
def count_ids(ids, weights, keys, counts, start, used):
    """Add ids from `start` on to an open-addressed table until it is half full. Returns (next, used)."""
    shift = np.uint64(64 - int(np.log2(keys.size)))
    for k in range(start, ids.size):
        if 2 * used >= keys.size:
            return k, used
        slot = np.int64((np.uint64(ids[k]) * _SPREAD) >> shift)
        while keys[slot] != ids[k] and keys[slot] != FREE:
            slot = (slot + 1) & (keys.size - 1)
        if keys[slot] == FREE:
            keys[slot] = ids[k]
            used += 1
        counts[slot] += weights[k] if weights.size else 1
    return ids.size, used


@compiled
def count_halves(ratings, counts, others):
    """Count the ratings 0, 0.5, ..., 100; move the others to the front of `others` and return their number."""
    found = 0
    for k in range(ratings.size):
        halves = 2 * ratings[k]
        if 0 <= halves < counts.size and halves == np.int64(halves):
            counts[np.int64(halves)] += 1
        else:
            others[found] = ratings[k]
            found += 1
    return found


@compiled
def pair_keys(users, movies, keys):
    """A well spread 64-bit key of each pair."""
    for k in range(users.size):
        key = np.uint64(users[k]) * _SPREAD
        key ^= key >> np.uint64(32)
        key = (key + np.uint64(movies[k])) * _MIX
        key ^= key >> np.uint64(29)
        keys[k] = key * _SPREAD


@compiled
def keep_repeated(keys):
    """Move each repeated key of sorted `keys` to the front, once; returns their number and that of their rows."""
    found, rows, k = 0, 0, 0
    while k < keys.size:
        stop = k + 1
        while stop < keys.size and keys[stop] == keys[k]:
            stop += 1
        if stop > k + 1:
            keys[found] = keys[k]
            found += 1
            rows += stop - k
        k = stop
    return found, rows


@compiled
def are_among(keys, repeated, seen, among):
    """Whether each key is in sorted `repeated`; `seen` marks the leading bits of the repeated keys."""
    shift = np.uint64(64 - int(np.log2(seen.size)))
    for k in range(keys.size):
        among[k] = False
        if seen[np.int64(keys[k] >> shift)]:
            low, high = 0, repeated.size  # np.searchsorted takes six times as long to compile
            while low < high:
                middle = (low + high) >> 1
                if repeated[middle] < keys[k]:
                    low = middle + 1
                else:
                    high = middle
            among[k] = low < repeated.size and repeated[low] == keys[k]
