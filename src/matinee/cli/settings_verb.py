"""The verb `settings`."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from textwrap import wrap

from pydantic import JsonValue

from matinee.cli.outcome import Outcome
from matinee.cli.tables import table_lines
from matinee.cli.terminal import columns, is_terminal
from matinee.cli.verbs import settings_of
from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.formats.written_settings import setting_text
from matinee.settings.reference import SettingFacts, describe_sections, describe_settings

_NO_LIMIT = 10_000  # columns, where the output is not a terminal
_NARROWEST = 40
_UNUSED = "–"
_MEANING = "  meaning  "
_Values = Mapping[str, JsonValue]


def settings(call: argparse.Namespace) -> Outcome:
    """Print the settings that a run with these options has: all in tables, or some with their full descriptions."""
    values = settings_of(call).values()
    chosen = _choose(call.names)
    facts = {
        "settings": [
            {
                "name": each.name,
                "value": values.get(each.name),
                "used": each.name in values,
                "values": each.values,
                "meaning": each.meaning,
            }
            for each in chosen
        ]
    }
    lines = list(_paragraphs(chosen, values)) if call.names else list(_tables(values))
    return Outcome(facts, lines)


def _choose(names: Sequence[str]) -> list[SettingFacts]:
    """The settings with these names, which may be full names, last parts or sections; all settings if none is given.

    Raises ConfigError for an unknown name.
    """
    known = [each for section in describe_settings().values() for each in section]
    chosen: dict[str, SettingFacts] = {}
    for name in names:
        found = [each for each in known if name in (each.name, *each.name.split("."))]
        if not found:
            words = [word for each in known for word in (each.name, *each.name.split("."))]
            nearest = get_close_matches(name.lower(), words, n=1, cutoff=0.0)[0]
            raise ConfigError(f"Setting {shown(repr(name))} is not known; the nearest is {nearest}.")
        chosen |= {each.name: each for each in found}
    return list(chosen.values()) if names else known


def _tables(values: _Values) -> Iterator[str]:
    """One table per section, with the first sentence of each meaning."""
    width = _width()
    about = describe_sections()
    for section, settings in describe_settings().items():
        yield f"{section}: {about[section]}"
        rows = [
            [each.name, _value(each, values), f"{each.meaning.split('. ')[0].rstrip('.')}."]
            for each in settings
        ]
        yield from table_lines(["setting", "value", "meaning"], rows, width=width)
        yield ""
    yield f"{_UNUSED} marks a setting without effect, given the values of the others. A run that changes it is refused."
    yield "`matinee settings NAME` prints the full description of a setting, or of a section such as gate."
    yield "`--set NAME=VALUE` sets one."


def _paragraphs(chosen: Sequence[SettingFacts], values: _Values) -> Iterator[str]:
    """The full description of each."""
    for number, each in enumerate(chosen):
        if number:
            yield ""
        yield each.name
        unused = (
            ""
            if each.name in values
            else " (without effect, given the values of the others; a run that changes it is refused)"
        )
        yield f"  value    {_value(each, values)}{unused}"
        yield f"  values   {each.values}"
        lines = wrap(each.meaning, max(_width() - len(_MEANING), _NARROWEST), break_on_hyphens=False)
        yield from (f"{' ' * len(_MEANING) if line else _MEANING}{text}" for line, text in enumerate(lines))


def _width() -> int:
    return columns(sys.stdout) if is_terminal(sys.stdout) else _NO_LIMIT


def _value(setting: SettingFacts, values: _Values) -> str:
    """The value of a setting in a run, or a dash if the run would refuse the setting."""
    if setting.name not in values:
        return _UNUSED
    value = values[setting.name]
    if isinstance(value, dict):
        return ",".join(f"{name}={each}" for name, each in value.items()) or "none"
    return "from the data" if value is None else setting_text(value)
