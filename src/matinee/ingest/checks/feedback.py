"""A store holds ratings or plays, never both, and ids of one kind: releases of two kinds cannot be compared."""

from pathlib import Path
from typing import Final

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.formats.manifests import Feedback
from matinee.store.row_kinds import feedback_of

_READS: Final = {"explicit": "ratings", "implicit": "plays"}


def check_feedback(root: Path, feedback: Feedback) -> None:
    """Raise ConfigError if the store at `root` holds the other kind of feedback than this run reads."""
    held = feedback_of(root)
    if held is None or held == feedback:
        return
    way_out = {
        "implicit": "Add --set ingest.feedback=implicit to continue with this store",
        "explicit": "Leave out ingest.feedback=implicit to continue with this store",
    }
    raise ConfigError(
        f"The store {shown(root)} holds {_READS[held]}, and this run reads {_READS[feedback]} "
        f"(ingest.feedback={feedback}). {way_out[held]}, or give another --store for the {_READS[feedback]}. "
        "Nothing was read."
    )
