"""The page of settings, generated from their models: name, values, default, meaning."""

import json
from typing import Final

from docs_markdown import table

from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.settings.presets import PRESETS, RECIPES
from matinee.settings.reference import PAIRS, SettingFacts, describe_sections, describe_settings
from matinee.settings.space import METHOD_SPACES, MODEL_SPACES, RANKING_SPACE

_INTRODUCTION: Final = """\
# Settings

Set one with `--set NAME=VALUE`, or several in a JSON or TOML file with `--settings FILE`. `--set` overrides the
file, and the file overrides the preset. If no default is shown, the default depends on the model and the method: see
[Defaults by model and preset](#defaults-by-model-and-preset)."""


def settings_page() -> str:
    """Every setting, in one table per section, and the defaults that depend on model and preset."""
    parts, about = [_INTRODUCTION], describe_sections()
    for section, settings in describe_settings().items():
        rows = [[f"`{each.name}`", _values(each), _default(each), each.meaning] for each in settings]
        listed = table(["setting", "values", "default", "meaning"], rows)
        parts.append(f"## {section}\n\n{about[section]}\n\n{listed}")
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


def _values(setting: SettingFacts) -> str:
    """The allowed values: a list of words, or such as `number, > 0, ≤ 10`."""
    return ", ".join(f"`{word}`" for word in setting.words) or setting.kind.replace(PAIRS, f"`{PAIRS}`")


def _default(setting: SettingFacts) -> str:
    value = setting.default
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
