"""The settings of a release or a run that are not the defaults."""

from pydantic import JsonValue

from matinee.errors import ConfigError
from matinee.formats.manifests import WrittenSettings
from matinee.formats.shown import ShownSetting, ShownSettings
from matinee.formats.written_settings import by_full_name
from matinee.settings.parse import read_settings
from matinee.settings.presets import PRESETS
from matinee.store.documents import Document


def changed_settings(written: Document | WrittenSettings) -> ShownSettings | None:
    """The settings that differ from the defaults of their preset, model and method.

    None if another version of matinee has written them, and this one does not know the model.
    """
    found = by_full_name(written)
    model, method = found.get("model.name"), found.get("train.method")
    try:
        own = _defaults(f"model.name={model}")
        presets = {
            preset: by_full_name(read_settings(preset=preset).spelled_out().model_dump(mode="json"))
            for preset in PRESETS
        }
        same = [
            preset
            for preset, usual in presets.items()
            if (usual["model.name"], usual["train.method"]) == (model, method)
        ]
        preset = same[0] if same else next(iter(presets))
        defaults = _defaults(f"model.name={model}", f"train.method={method}") | {
            "model.name": presets[preset]["model.name"],
            "train.method": presets[preset]["train.method"] if same else own["train.method"],
        }
    except ConfigError:
        return None
    changed = [
        ShownSetting(name=name, value=value, default=defaults[name])
        for name, value in found.items()
        if name in defaults and value != defaults[name]
    ]
    return ShownSettings(preset=preset, changed=changed)


def _defaults(*assignments: str) -> dict[str, JsonValue]:
    return by_full_name(read_settings(assignments=assignments).spelled_out().model_dump(mode="json"))
