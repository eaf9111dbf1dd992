# mypy: disable-error-code="no-untyped-def"
"""Random numbers for compiled code: one stream per key, so that a draw depends only on its purpose.

splitmix64 keyed by four numbers; Box and Muller (1958); Marsaglia and Tsang (2000).
"""

import math

import numpy as np

from matinee import splitmix64
from matinee.store.compiled import njit

_GOLDEN = np.uint64(splitmix64.GOLDEN)
_mix = njit(nogil=True, cache=True)(splitmix64.mix)


@njit(nogil=True, cache=True)
def stream(seed, sweep, purpose, row):
    """The state of a stream: one cell that each draw advances."""
    state = np.empty(1, np.uint64)
    state[0] = np.uint64(seed)
    for number in (sweep, purpose, row):
        state[0] = next_bits(state) ^ np.uint64(number)
    state[0] = next_bits(state)
    return state


@njit(nogil=True, cache=True)
def next_bits(state):
    """64 random bits."""
    state[0] += _GOLDEN
    return _mix(state[0])


@njit(nogil=True, cache=True)
def uniform(state):
    """A number in (0, 1)."""
    return (np.float64(next_bits(state) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(nogil=True, cache=True)
def fill_normal(state, values, count):
    """Write `count` standard normal numbers into `values`."""
    for place in range(0, count, 2):
        radius = math.sqrt(-2.0 * math.log(uniform(state)))
        angle = 2.0 * math.pi * uniform(state)
        values[place] = radius * math.cos(angle)
        if place + 1 < count:
            values[place + 1] = radius * math.sin(angle)


@njit(nogil=True, cache=True)
def gamma(state, shape):
    """A number from the gamma distribution of a shape of at least a half, with rate 1."""
    boost = 1.0
    if shape < 1.0:
        boost = uniform(state) ** (1.0 / shape)
        shape += 1.0
    third = shape - 1.0 / 3.0
    step = 1.0 / math.sqrt(9.0 * third)
    normal = np.empty(1)
    while True:
        fill_normal(state, normal, 1)
        cube = (1.0 + step * normal[0]) ** 3
        if cube <= 0.0:
            continue
        if math.log(uniform(state)) < 0.5 * normal[0] ** 2 + third * (1.0 - cube + math.log(cube)):
            return boost * third * cube
