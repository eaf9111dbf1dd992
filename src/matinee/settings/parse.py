"""Read settings from a preset, a file and `NAME=VALUE` texts; errors name the setting."""

import difflib
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.settings.model import Settings
from matinee.settings.presets import PRESETS, Value, Values, for_other_method

JsonObject = dict[str, JsonValue]

_FILE_BYTES: Final = 1 << 20  # maximum size of a settings file; one with every setting has some thousand
_NAME_LENGTH: Final = 80
_FAULTS: Final = 20  # maximum number of errors reported at once
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_TOO_DEEP: Final = "are nested too deeply; expected sections with settings, such as train.epochs"


def read_settings(
    *, preset: str | None = None, file: str | Path | None = None, assignments: str | Iterable[str] = ()
) -> Settings:
    """Read settings from a preset, a JSON or TOML file and `NAME=VALUE` texts; later sources override earlier ones.

    Args:
        preset: `fast` or `accurate`.
        file: A file with the suffix .toml, or a JSON file with any other name.
        assignments: Texts such as `train.epochs=30`, or one of them.

    Returns:
        The settings, for `matinee.retrain`.

    Raises:
        ConfigError: A name is unknown (the nearest is suggested), a value is out of bounds, a setting has no effect, or
            the file is unreadable. All faults of one call are reported at once.

    Examples:
        >>> from matinee.settings.parse import read_settings
        >>> settings = read_settings(preset="accurate", assignments=["train.chains=1"])
        >>> settings.train.method, settings.train.chains
        ('gibbs', 1)
    """
    try:
        given = [assignments] if isinstance(assignments, str) else assignments
        return _read(preset, None if file is None else Path(file), given)
    except RecursionError:
        raise ConfigError(f"The settings {_TOO_DEEP}.") from None


def _read(preset: str | None, file: Path | None, assignments: Iterable[str]) -> Settings:
    merged: JsonObject = {}
    if preset is not None:
        if preset not in PRESETS:
            raise ConfigError(f"Preset {shown(repr(preset))} is not known. Use one of: {', '.join(PRESETS)}.")
        _merge(merged, PRESETS[preset])
    changes: JsonObject = {}
    for assignment in assignments:
        _merge(changes, _read_assignment(assignment))
    if file is not None:
        _merge(merged, for_other_method(_read_file(file), changes))
    _merge(merged, changes)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    try:
        settings.check()
    except ConfigError as error:
        raise ConfigError(f"{error}{_what_the_preset_sets(preset)}") from None
    return settings


def _what_the_preset_sets(preset: str | None) -> str:
    """A sentence for a contradiction between a preset and other settings; empty without a preset."""
    chosen = _dotted(PRESETS[preset]) if preset is not None else {}
    return (
        f" Preset {preset} sets {', '.join(f'{name}={value}' for name, value in chosen.items())}."
        if chosen
        else ""
    )


def _dotted(values: Mapping[str, Values]) -> dict[str, Value]:
    return {f"{section}.{name}": value for section, named in values.items() for name, value in named.items()}


def setting_names() -> list[str]:
    """The dotted names of all settings, in order."""
    return [
        f"{section}.{name}"
        for section, field in Settings.model_fields.items()
        for name in field.annotation.model_fields  # type: ignore[union-attr]
    ]


def _merge(into: JsonObject, new: Mapping[str, JsonValue | Values]) -> None:
    for name, value in new.items():
        section = into.get(name)
        if not isinstance(value, Mapping):
            into[name] = value
        elif isinstance(section, dict):
            _merge(section, value)
        else:
            into[name] = dict(value)


def _read_file(path: Path) -> JsonObject:
    kind = "TOML" if path.suffix == ".toml" else "JSON"
    try:
        text = _read_bytes(path).decode("utf-8-sig")
        values = tomllib.loads(text) if kind == "TOML" else _parse_json(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"The settings file {path} is not UTF-8 text: {error}.") from None
    except (OSError, _UnfitError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"The settings file {path} could not be read: {reason}.") from None
    except ValueError as error:
        raise ConfigError(f"The settings file {path} is not valid {kind}: {shown(error)}.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"The settings file {path} is not an object; expected sections such as train.")
    return values


class _UnfitError(Exception):
    """The reason why settings can't be read from a path."""


def _read_bytes(path: Path) -> bytes:
    """Read a plain file, or the pipe of a shell's `<(command)`. A named pipe is refused, as it could block for ever."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a null byte in the name
        raise _UnfitError(str(error)) from None
    with open(handle, "rb") as file:  # noqa: PTH123 - by its number
        mode = os.fstat(handle).st_mode
        named_pipe = stat.S_ISFIFO(mode) and Path(os.path.realpath(path)).exists()
        if named_pipe or not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise _UnfitError("it is not a plain file. Name a file of JSON or TOML")
        os.set_blocking(handle, True)
        data = file.read(_FILE_BYTES + 1)
    if len(data) > _FILE_BYTES:
        raise _UnfitError(f"it is larger than {_FILE_BYTES >> 20} MB. Name a file of JSON or TOML")
    return data


def _parse_json(text: str) -> JsonValue:
    """Parse JSON as the standard defines it. NaN and repeated names raise ValueError."""
    value: JsonValue = json.loads(
        text, object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_whole
    )
    return value


def _once(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    found: JsonObject = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{_bare(name)} is given twice")
        found[name] = value
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number in JSON")


def _whole(text: str) -> int:
    if len(text) > _NAME_LENGTH:
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)


def _read_assignment(text: str) -> JsonObject:
    name, equals, value = text.partition("=")
    parts = name.strip().split(".")
    if not equals or len(parts) != 2 or not all(map(_BARE.fullmatch, parts)):
        raise ConfigError(
            f"--set {shown(repr(text))} was not understood; expected SECTION.NAME=VALUE, such as train.epochs=20."
        )
    try:
        parsed = _parse_json(value)
    except ValueError:
        parsed = plain = value.strip()
        if _is_odd_number(plain):
            raise ConfigError(
                f"--set {shown(repr(text))} was not understood; expected a number written with the digits 0 to 9."
            ) from None
    return {parts[0]: {parts[1]: parsed}}


def _is_odd_number(text: str) -> bool:
    """Whether Python reads a text as a number that is not one for us: 1_000, digits of other scripts, nan."""
    try:
        number = float(text)
    except ValueError:
        return False
    return "_" in text or not text.isascii() or number - number != 0


def _bare(name: str) -> str:
    """A part of a setting's name, quoted as in TOML if it has characters other than letters, digits, _ and -."""
    return shown(name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False), _NAME_LENGTH)


def _nearest(name: str, *, is_section: bool) -> str:
    """The known setting or section whose name is most like an unknown one."""
    if is_section:
        known = {section: section for section in Settings.model_fields}
    elif "." in name:
        known = {each: each for each in setting_names()}
    else:
        known = {each.partition(".")[2]: each for each in reversed(setting_names())}
    return known[difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]]


def _explain(error: ValidationError) -> str:
    sentences = []
    for fault in error.errors()[:_FAULTS]:
        name = ".".join(_bare(str(part)) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            nearest = _nearest(name, is_section=isinstance(fault["input"], dict))
            sentences.append(f"Setting {name} is not known; the nearest is {nearest}.")
        else:
            expected = shown(_expectation(fault))
            sentences.append(
                f"Setting {name} was given {_given(fault['input'])}; expected {expected}.{_describe(name)}"
            )
    if (more := error.error_count() - len(sentences)) > 0:
        sentences.append(f"{more:,} other settings are wrong as well.")
    return " ".join(sentences)


_EXPECTED: Final[Mapping[str, str]] = {
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "literal_error": "{expected}",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number that is finite",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "string_pattern_mismatch": "a text of the form {pattern}",
    "list_type": "a list",
    "dict_type": "names with values",
    "model_type": "a section with settings",
    "model_attributes_type": "a section with settings",
}


def _expectation(fault: ErrorDetails) -> str:
    """What was expected, in our words; those of pydantic for a kind of fault that no setting had so far."""
    kind, context, message = fault["type"], fault.get("ctx", {}), fault["msg"]
    if kind == "value_error":  # of a validator of ours
        return str(context["error"]).removeprefix("expected ").removesuffix(".")
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(**context)
    return message[0].lower() + message[1:]


def _given(value: object) -> str:
    try:
        return shown(repr(value))
    except ValueError:  # Python does not print numbers of more than 4,300 digits
        return "a number with too many digits"


def _describe(name: str) -> str:
    section, _, field = name.partition(".")
    model = Settings.model_fields.get(section)
    fields = getattr(model.annotation, "model_fields", {}) if model else {}
    return f" ({fields[field].description})" if field in fields else ""
