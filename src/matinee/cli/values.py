"""The values of options, parsed strictly.

A function raises ValueError, and argparse names it in the error, or ArgumentTypeError with the whole sentence.
"""

import argparse
import re

# int() also accepts 1_0, blanks, the digits of other scripts, and numbers of any length.
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_SEPARATED = re.compile(r"[0-9]{1,3}(?:([,_.' ])[0-9]{3})(?:\1[0-9]{3})*")
_FRACTION = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)(e-?[0-9]{1,3})?", re.IGNORECASE)

_YEARS = re.compile(r"([0-9]{4})-([0-9]{4})")
_NUMBER_LENGTH = 40  # characters


def whole(text: str) -> int:
    """Parse a whole number."""
    if not _WHOLE.fullmatch(text):
        raise ValueError
    return int(text)


def id_(text: str) -> str:
    """An id, as rating files have it: a whole number, or a text. The store decides which."""
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "an empty text is not an id; expected an id as the rating files write it"
        )
    return text


def count(text: str) -> int:
    """Parse a whole number above 0."""
    if _SEPARATED.fullmatch(text):
        digits = re.sub(r"[^0-9]", "", text)
        raise argparse.ArgumentTypeError(f"expected digits only, such as {digits}, found {text}")
    if (found := whole(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text}")
    return found


def fraction(text: str) -> float:
    """Parse a decimal number."""
    if len(text) > _NUMBER_LENGTH or not _FRACTION.fullmatch(text):
        raise ValueError
    return float(text)


def years(text: str) -> tuple[int, int]:
    """Parse the first and the last year, as 1990-1999."""
    if not (found := _YEARS.fullmatch(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of years; expected one such as 1990-1999")
    return int(found[1]), int(found[2])


# argparse prints these names in its error messages.
whole.__name__, count.__name__, fraction.__name__ = "whole number", "number (1 or more)", "decimal number"
