"""How many examples a test of a property tries: few in `make test`, many in `make traits`."""

import os

_MANY = int(os.environ.get("MATINEE_TRAIT_EXAMPLES", "0")) // 20  # each has many rows


def examples(few: int) -> int:
    """The number of examples where `few` are enough for `make test`, which draws other ones each time."""
    return max(few, _MANY)
