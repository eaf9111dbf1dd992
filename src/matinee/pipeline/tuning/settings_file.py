"""best.toml: settings as a file for `--settings`."""

import json
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from matinee.settings import Settings


def settings_toml(settings: Settings, comments: Sequence[str]) -> str:
    """The settings that differ from the defaults, as TOML with comments on top.

    Args:
        settings: The settings.
        comments: Lines without line breaks.

    Returns:
        The text of the file. `read_settings` reads the same settings from it.
    """
    lines = [f"# {comment}" for comment in comments]
    for section, values in settings.model_dump(mode="json", exclude_defaults=True).items():
        lines += ["", f"[{section}]", *_assignments(values)]
    return "\n".join(lines) + "\n"


def _assignments(values: dict[str, JsonValue]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict):
            pairs = ", ".join(f"{key} = {_text(each)}" for key, each in value.items())
            yield f"{name} = {{ {pairs} }}"
        else:
            yield f"{name} = {_text(value)}"


def _text(value: JsonValue) -> str:
    """A number, a truth value or a text. Texts of TOML are those of JSON, except that DEL is escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
