"""splitmix64 against the outputs of its authors' program, for arrays, for kernels, and for the kernels' own streams."""

from collections.abc import Callable

import numba
import numpy as np
import pytest

from matinee import splitmix64
from matinee.sample import kernels
from matinee.train.gibbs import random_streams

# The first outputs of https://prng.di.unimi.it/splitmix64.c with the seed 0.
EXPECTED = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_arrays_and_kernels_mix_as_specified() -> None:
    states = np.array([step * splitmix64.GOLDEN % 2**64 for step in (1, 2, 3)], np.uint64)
    assert splitmix64.mix(states).tolist() == EXPECTED
    compiled = numba.njit(splitmix64.mix)
    assert [int(compiled(state)) for state in states] == EXPECTED


@pytest.mark.parametrize("draw", [random_streams.next_bits, kernels._bits], ids=["train", "sample"])
def test_streams_are_those_of_the_specification(draw: Callable[..., int]) -> None:
    state = np.zeros(1, np.uint64)
    assert [int(draw(state)) for _ in EXPECTED] == EXPECTED
