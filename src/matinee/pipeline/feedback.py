"""A store holds ratings or plays, and never both: releases of the two kinds cannot be compared."""

import contextlib
from pathlib import Path

from matinee.errors import ConfigError, MatineeError
from matinee.errors.text import shown
from matinee.formats.manifests import DatasetManifest
from matinee.registry import Registry
from matinee.settings.ingest import Feedback
from matinee.store import Store
from matinee.store.identity import entries_of

_HOLDS = {"explicit": "ratings", "implicit": "plays"}


def check_feedback(store: Store, feedback: Feedback) -> None:
    """Raise ConfigError if a store holds the other kind of feedback, that of its first dataset."""
    held = feedback_of(store.root)
    if held is None or held == feedback:
        return
    setting = (
        "Add --set ingest.feedback=implicit" if held == "implicit" else "Leave out ingest.feedback=implicit"
    )
    raise ConfigError(
        f"The store {shown(store.root)} holds {_HOLDS[held]}, and this run reads {_HOLDS[feedback]} "
        f"(ingest.feedback={feedback}). {setting} to go on with it, or give another --store for the "
        f"{_HOLDS[feedback]}. Nothing was read."
    )


def feedback_of(root: Path) -> Feedback | None:
    """What a store holds, by its newest readable release, or else by its datasets; None for an empty store."""
    if not root.is_dir():
        return None
    for manifest in reversed(Registry(root).manifests()):
        return "implicit" if manifest.get("feedback") == "implicit" else "explicit"
    for folder in entries_of(root, "datasets"):
        with contextlib.suppress(MatineeError):
            return Store(root).read(DatasetManifest, folder.name).feedback
    return None
