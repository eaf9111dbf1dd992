"""The reference of settings: the name, values, default and meaning of each, read from the models of this folder."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo

from matinee.settings.model import Settings

_KINDS: Final = {int: "whole number", float: "number", str: "text"}
_SIGNS: Final = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
PAIRS: Final = "NAME=VALUE,..."


@dataclass(frozen=True)
class SettingFacts:
    """What a user needs to know of a setting.

    Attributes:
        name: Such as `train.epochs`.
        words: The words that it can be; empty if it is a number, a text or pairs.
        kind: What it is otherwise, with its bounds, such as `number, > 0`.
        default: Its default; None if that depends on the model and the method, or if there is none.
        meaning: What it does, and when to change it.
    """

    name: str
    words: tuple[str, ...]
    kind: str
    default: JsonValue
    meaning: str

    @property
    def values(self) -> str:
        """The allowed values in one line; a word without letters is in quotes."""
        return ", ".join(each if each[0].isalpha() else f"'{each}'" for each in self.words) or self.kind


def describe_settings() -> dict[str, list[SettingFacts]]:
    """All settings by section, in the order of their models.

    Examples:
        >>> from matinee.settings.reference import describe_settings
        >>> describe_settings()["gate"][0].name
        'gate.tolerance'
    """
    return {
        section: [_facts(f"{section}.{name}", each) for name, each in _model_of(field).model_fields.items()]
        for section, field in Settings.model_fields.items()
    }


def describe_sections() -> dict[str, str]:
    """What the settings of each section are about."""
    return {section: field.description or "" for section, field in Settings.model_fields.items()}


def _model_of(field: FieldInfo) -> type[BaseModel]:
    section = field.annotation
    assert isinstance(section, type) and issubclass(section, BaseModel)  # nosec B101 # for mypy
    return section


def _facts(name: str, field: FieldInfo) -> SettingFacts:
    words, kind = _values(field)
    default = field.get_default(call_default_factory=True)
    return SettingFacts(name, words, kind, default, field.description or "")


def _values(field: FieldInfo) -> tuple[tuple[str, ...], str]:
    """The words that a setting can be, or what it is otherwise."""
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    if annotation is bool:
        return ("true", "false"), ""
    words = tuple(value for value in get_args(annotation) if isinstance(value, str))
    if words and get_origin(annotation) is not dict:
        return words, ""
    return (), ", ".join([_KINDS.get(annotation, PAIRS), *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        for name, sign in _SIGNS.items():
            if (bound := getattr(rule, name, None)) is not None:
                yield f"{sign} {int(bound) if bound == int(bound) else bound:,}"
