"""What is wrong with a question, in one sentence and in the words of this server."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matinee.errors.text import shown
from matinee.serve.requests import LONGEST_ID

_SHOWN: Final = 80  # characters of a value
_UNION = {"int", "str", "constrained-str"}  # the parts of a place that name a kind of id
_EXPECTED: Final[Mapping[str, str]] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "list": "a list",
    "tuple": "a list of two years",
    "dict": "an object",
    "model": "an object",
    "finite": "a finite number",
}


def sentence(errors: Sequence[Any]) -> str:
    """The first error of a question.

    Args:
        errors: What pydantic says of it.

    Returns:
        Where it is, what was given, and what was expected.
    """
    error = errors[0]
    kind, limits, given = error["type"], error.get("ctx", {}), error.get("input")
    place = _place(error["loc"])
    match kind:
        case "json_invalid":
            said = "is not JSON; expected an object as /openapi.json describes it"
        case _ if isinstance(given, bytes):
            said = "is not marked as JSON; send the header `Content-Type: application/json`"
        case "missing":
            said = "is missing"
        case "extra_forbidden":
            said = "is unknown here; /openapi.json lists what may be given"
        case "value_error":
            said = f"is not accepted: {limits['error']}"
        case "too_long" | "too_short":
            said = f"has {limits['actual_length']:,} entries; expected {_bound(limits)}"
        case "string_too_long":
            said = f"has {len(given or ''):,} characters; expected {_bound(limits)}"
        case _:
            said = f"is {_written(given)}; expected {_expected(kind, error['loc'], limits)}"
    return f"{place} {said}."


def _written(value: Any) -> str:
    """A value as JSON has it; the body of a question comes from JSON, so that this fails for no other value."""
    return shown(json.dumps(value, ensure_ascii=False, default=repr), _SHOWN)


def _bound(limits: Mapping[str, int]) -> str:
    most = limits.get("max_length")
    return f"at least {limits['min_length']:,}" if most is None else f"at most {most:,}"


def _place(loc: Sequence[int | str]) -> str:
    """The place of a value in a question, such as `pairs[3].user_id`."""
    if len(loc) == 2 and isinstance(loc[1], int):  # the position of an error in JSON
        return "The body"
    parts = [each for each in loc[1:] if each not in _UNION]
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in parts).lstrip(".")
    return f"`{shown(text, _SHOWN)}`" if text else "The body"


def _expected(kind: str, loc: Sequence[int | str], limits: Mapping[str, int]) -> str:
    if loc and loc[-1] in _UNION:
        return f"an id: an integer, or a text of 1 to {LONGEST_ID:,} characters"
    if kind == "string_too_short":
        return "a text that is not empty"
    for name, words in (("ge", "or more"), ("le", "or less"), ("gt", "and more"), ("lt", "and less")):
        if name in limits:
            return f"{limits[name]:,} {words}"
    return _EXPECTED.get(kind.partition("_")[0], "what /openapi.json describes")
