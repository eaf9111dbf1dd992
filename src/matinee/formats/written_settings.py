"""Settings as files have them, in sections."""

from collections.abc import Mapping

from pydantic import JsonValue


def by_full_name(settings: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The values of written settings by the names that `--set` takes.

    >>> by_full_name({"train": {"seed": 0, "epochs": 30}})
    {'train.seed': 0, 'train.epochs': 30}
    """
    return {
        f"{section}.{name}": value
        for section, values in settings.items()
        if isinstance(values, dict)
        for name, value in values.items()
    }


def setting_text(value: JsonValue) -> str:
    """The value of a setting, as `--set` takes it."""
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
