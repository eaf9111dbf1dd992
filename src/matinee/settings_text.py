"""Settings from what people write: a preset, a file, `NAME=VALUE`; what is wrong with them is told by name."""

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from matinee.errors import ConfigError
from matinee.recipes import PRESETS
from matinee.settings import Settings


def read_settings(
    *, preset: str | None = None, file: Path | None = None, assignments: Iterable[str] = ()
) -> Settings:
    """Settings from a preset, a JSON or TOML file and `NAME=VALUE` texts; the later wins.

    Raises ConfigError for an unknown name (with the nearest), a value out of bounds (with the bounds), or an
    unreadable file; all faults of one call at once.
    """
    merged: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            raise ConfigError(f"Preset {preset!r} is not known. Take one of: {', '.join(PRESETS)}.")
        _merge(merged, PRESETS[preset])
    if file is not None:
        _merge(merged, _read_file(file))
    for assignment in assignments:
        _merge(merged, _read_assignment(assignment))
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def setting_names() -> list[str]:
    """The dotted names of all settings, in order."""
    return [
        f"{section}.{name}"
        for section, field in Settings.model_fields.items()
        for name in field.annotation.model_fields  # type: ignore[union-attr]
    ]


def _merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} could not be read: {error}.") from None
    try:
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise ConfigError(f"The settings file {path} is not valid {kind}: {error}.") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"The settings file {path} holds no object at its top; expected sections like train."
        )
    return values


def _read_assignment(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    parts = name.strip().split(".")
    if not equals or len(parts) != 2:
        raise ConfigError(
            f"--set {text!r} was not understood; expected SECTION.NAME=VALUE, as train.epochs=20."
        )
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value.strip()
    return {parts[0]: {parts[1]: parsed}}


def _explain(error: ValidationError) -> str:
    sentences = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(
                name, [*setting_names(), *Settings.model_fields], n=1, cutoff=0.0
            )
            sentences.append(f"Setting {name} is not known; the nearest is {nearest[0]}.")
        else:
            told = fault["msg"][0].lower() + fault["msg"][1:]
            sentences.append(f"Setting {name} was given {fault['input']!r}: {told}.{_describe(name)}")
    return " ".join(sentences)


def _describe(name: str) -> str:
    section, _, field = name.partition(".")
    model = Settings.model_fields.get(section)
    fields = getattr(model.annotation, "model_fields", {}) if model else {}
    return f" ({fields[field].description})" if field in fields else ""
