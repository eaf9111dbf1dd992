"""The state of a random generator as numbers of a fixed length, which one rank hands to the next."""

import json

import numpy as np

from matinee.train.ranks.group import Numbers

_BYTES = 512


def pack_state(generator: np.random.Generator) -> Numbers:
    """The state of a generator."""
    text = json.dumps(generator.bit_generator.state).encode()
    return np.frombuffer(text.ljust(_BYTES), np.uint8).copy()


def unpack_state(generator: np.random.Generator, state: Numbers) -> None:
    """Continue a generator from a state."""
    generator.bit_generator.state = json.loads(state.tobytes())
