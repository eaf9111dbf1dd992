"""The page of settings, generated from their models: name, values, default, meaning."""

import inspect
import json
import types
from collections.abc import Iterator
from typing import Any, Final, Union, get_args, get_origin

from docs_markdown import first_paragraph, table
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.settings.presets import PRESETS, RECIPES
from matinee.settings.space import METHOD_SPACES, MODEL_SPACES, RANKING_SPACE

_INTRODUCTION: Final = """\
# Settings

Set one with `--set NAME=VALUE`, or several in a JSON or TOML file with `--settings FILE`. `--set` overrides the
file, and the file overrides the preset. If no default is shown, the default depends on the model and the method: see
[Defaults by model and preset](#defaults-by-model-and-preset)."""
_KINDS: Final = {bool: "`true`, `false`", int: "whole number", float: "number", str: "text"}
_SIGNS: Final = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def settings_page() -> str:
    """Every setting, in one table per section, and the defaults that depend on model and preset."""
    parts = [_INTRODUCTION]
    for name, field in Settings.model_fields.items():
        parts.append(f"## {name}\n\n{field.description}")
        sections = _models_in(field.annotation)
        for section in sections:
            if len(sections) > 1:
                parts.append(f"### {section.__name__}\n\n{first_paragraph(section)}")
            parts.append(_section_table(name, section))
    parts.append(
        f"## Defaults by model and preset\n\nA setting marked – is not used there, and is refused.\n\n{_recipes()}"
    )
    parts.append(_ranges())
    return "\n\n".join(parts) + "\n"


def _ranges() -> str:
    """The ranges of `matinee tune`, by method and model."""
    spaces = {
        **{f"train.method={name}": space for name, space in METHOD_SPACES.items()},
        **{f"model.name={name}": space for name, space in MODEL_SPACES.items()},
        "lists": RANKING_SPACE,
    }
    rows = [
        [f"`{where}`", f"`{name}`", f"{each.low:g}", f"{each.high:g}", "equal ratios" if each.log else ""]
        for where, space in spaces.items()
        for name, each in space.items()
    ]
    says = (
        "[`matinee tune`](../how-to/tune.md) searches these ranges. One is extended to a value that you set."
    )
    return f"## Ranges of a search\n\n{says}\n\n{table(['with', 'setting', 'from', 'to', 'scale'], rows)}"


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models of a section: one, or each model of a union."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in _models_in(each)]


def _section_table(section: str, model: type[BaseModel]) -> str:
    rows = [
        [f"`{section}.{name}`", _values(field), _default(field), field.description or ""]
        for name, field in model.model_fields.items()
    ]
    return table(["setting", "values", "default", "meaning"], rows)


def _values(field: FieldInfo) -> str:
    """The allowed values of a setting: `number, > 0, ≤ 10`, or a list of words."""
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    words = [value for value in get_args(annotation) if isinstance(value, str)]
    if words and get_origin(annotation) is not dict:
        return ", ".join(f"`{word}`" for word in words)
    return ", ".join([_KINDS.get(annotation, "`NAME=VALUE,...`"), *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        for name, sign in _SIGNS.items():
            if (bound := getattr(rule, name, None)) is not None:
                yield f"{sign} {bound:,}"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    return "none" if value == {} else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _recipes() -> str:
    """The defaults that depend on the model, for each preset and for each model except the default model."""
    columns = {f"preset `{name}`": read_settings(preset=name) for name in PRESETS}
    for name in RECIPES:
        if name != Settings().model.name:
            columns[f"`{name}`"] = read_settings(assignments=[f"model.name={name}"])
    dumps = {name: json.loads(settings.resolved().model_dump_json()) for name, settings in columns.items()}
    keys = dict.fromkeys(
        (part, key) for dump in dumps.values() for part in ("model", "train") for key in dump[part]
    )
    rows = []
    for part, key in keys:
        values = [dump[part].get(key) for dump in dumps.values()]
        if any(value != values[0] for value in values):
            rows.append([f"`{part}.{key}`", *("–" if value is None else f"`{value}`" for value in values)])
    return table(["setting", *dumps], rows)
