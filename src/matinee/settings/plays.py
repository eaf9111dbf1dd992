"""Which settings have an effect on plays: they train the ranking model alone."""

from collections.abc import Iterable
from typing import Final

from matinee.settings.ingest import Section

_USED: Final = {"train": ("device", "threads", "refit")}
# Of sections whose other settings have an effect.
_OF_RATINGS: Final = {
    "ingest": ("scale", "duplicates"),
    "gate": (
        *("tolerance", "confidence", "slices", "slice_min_rows", "refit_difference"),
        *("drift_psi", "drift_psi_new"),  # of ratings, which are all equal
    ),
    "release": ("storage",),
}


def find_unused_by_plays(settings: Section, *, usual: Section) -> list[str]:
    """Names of the settings that were chosen and have no effect on plays.

    Args:
        settings: All settings.
        usual: The defaults, with the recipe's value in place of each None. They are in the settings.json of a release,
            so they are not taken as chosen.
    """
    found = []
    for section, values in settings:
        chosen = _chosen(values, getattr(usual, section))
        if section in ("model", "train"):
            found += [f"{section}.{name}" for name in chosen if name not in _USED.get(section, ())]
        else:
            found += [f"{section}.{name}" for name in chosen if name in _OF_RATINGS.get(section, ())]
    return found


def ignored_by_plays(names: Iterable[str]) -> set[str]:
    """Of the names of settings, those that have no effect on plays."""
    parts = ((name, *name.split(".")) for name in names)
    return {
        name
        for name, section, field in parts
        if field in _OF_RATINGS.get(section, ())
        or (section in ("model", "train") and field not in _USED.get(section, ()))
    }


def explain_unused_by_plays(name: str) -> str:
    """The error text for a setting that has no effect on plays."""
    return (
        f"Setting {name} has no effect with ingest.feedback=implicit: pairs of user and movie train the ranking model, "
        "and nothing else. Leave it out."
    )


def _chosen(values: Section, usual: Section) -> list[str]:
    defaults = type(values).model_fields
    return [
        name
        for name, value in values
        if value is not None and value not in (defaults[name].default, getattr(usual, name))
    ]
