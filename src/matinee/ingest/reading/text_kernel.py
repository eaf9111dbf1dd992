"""Compiled loops over text ids: a table that gives each distinct text a code."""

from typing import Any

import numpy as np

from matinee.store.compiled import njit

_FREE = -1  # an empty slot
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio
_EIGHT = np.uint64(8)

compiled: Any = njit(nogil=True, cache=True, error_model="numpy", _nrt=False)


@compiled
def _hash(text, start, length, seed):
    """A quick hash; whether two texts are the same, their bytes decide."""
    state, word = seed ^ np.uint64(length), np.uint64(0)
    for i in range(length):
        word = (word << _EIGHT) | np.uint64(text[start + i])
        if i & 7 == 7:
            state = (state ^ word) * _MULTIPLIER
            state ^= state >> np.uint64(32)
            word = np.uint64(0)
    state = (state ^ word) * _MULTIPLIER
    state ^= state >> np.uint64(29)
    return state * _MULTIPLIER


@compiled
def _is_same(text, start, kept, begin, length):
    i = 0
    while i < length and text[start + i] == kept[begin + i]:
        i += 1
    return i == length


@compiled
def code_texts(text, places, layout, seed, slots, hashes, kept, ends, used, codes, begin):
    """The code of each text that `places` names in `text`, from `begin` on; new texts are added to the table.

    A place is start << layout[0] | length, where the length has the bits of layout[1].

    `kept` holds the bytes of all texts, `ends` where each ends, `used` is their number, `slots` holds codes by hash.
    Returns the next place and the number of texts; it stops early where the table is half full or has no more room.
    """
    shift = np.uint64(64 - int(np.log2(slots.size)))
    last = slots.size - 1
    for k in range(begin, places.size):
        start, length = places[k] >> layout[0], places[k] & layout[1]
        key = _hash(text, start, length, seed)
        slot = np.int64(key >> shift)
        code = slots[slot]
        while code != _FREE:
            first = ends[code - 1] if code else 0
            if (
                hashes[code] == key
                and ends[code] - first == length
                and _is_same(text, start, kept, first, length)
            ):
                break
            slot = (slot + 1) & last
            code = slots[slot]
        if code == _FREE:
            first = ends[used - 1] if used else 0
            if 2 * used >= slots.size or used == ends.size or first + length > kept.size:
                return k, used
            for i in range(length):
                kept[first + i] = text[start + i]
            hashes[used] = key
            ends[used] = first + length
            slots[slot] = used
            code = used
            used += 1
        codes[k] = code
    return places.size, used


@compiled
def fill_slots(hashes, used, slots):
    """Put the codes of a table into larger slots."""
    shift = np.uint64(64 - int(np.log2(slots.size)))
    for code in range(used):
        slot = np.int64(hashes[code] >> shift)
        while slots[slot] != _FREE:
            slot = (slot + 1) & (slots.size - 1)
        slots[slot] = code
