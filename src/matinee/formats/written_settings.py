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
