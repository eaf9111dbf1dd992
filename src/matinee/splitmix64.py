"""splitmix64 (Steele, Lea and Flood 2014): a stream of 64 random bits per step, and the mixing of its output.

The functions work on numpy's unsigned 64-bit integers and their arrays. Kernels compile `mix` as it stands.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Bits = TypeVar("Bits", np.uint64, NDArray[np.uint64])

GOLDEN = 0x9E3779B97F4A7C15  # what each step adds to the state: 2**64 / golden ratio


def mix(bits: Bits) -> Bits:
    """Spread the bits of a number, or of each number, over all 64: equal inputs alone give equal outputs."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
