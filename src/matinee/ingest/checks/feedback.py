"""A store holds ratings or plays, never both, and ids of one kind: releases of two kinds cannot be compared."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from matinee.errors import ConfigError, MatineeError
from matinee.errors.text import shown
from matinee.settings.ingest import Feedback, Kind, Side
from matinee.store.documents import MANIFEST, read_json
from matinee.store.identity import entries_of
from matinee.store.versions import is_version, version_number

_READS: Final = {"explicit": "ratings", "implicit": "plays"}


def check_feedback(root: Path, feedback: Feedback) -> None:
    """Raise ConfigError if the store at `root` holds the other kind of feedback than this run reads."""
    held = feedback_of(root)
    if held is None or held == feedback:
        return
    way_out = {
        "implicit": "Add --set ingest.feedback=implicit to go on with the store",
        "explicit": "Leave out ingest.feedback=implicit to go on with the store",
    }
    raise ConfigError(
        f"The store {shown(root)} holds {_READS[held]}, and this run reads {_READS[feedback]} "
        f"(ingest.feedback={feedback}). {way_out[held]}, or give another --store for the {_READS[feedback]}. "
        "Nothing was read."
    )


def feedback_of(root: Path) -> Feedback | None:
    """What a store holds, by its newest readable release, or else by any dataset; None for an empty store."""
    for manifest in read_manifests(root):
        return "implicit" if manifest.get("feedback") == "implicit" else "explicit"
    return None


def kinds_of(root: Path) -> dict[Side, Kind] | None:
    """The kinds of ids that a store holds, found as `feedback_of` does; None for an empty store.

    Manifests of earlier versions name none: those stores have integers.
    """
    for manifest in read_manifests(root):
        ids = manifest.get("ids")
        named = ids if isinstance(ids, dict) else {}
        return {
            "user_id": "text" if named.get("user_id") == "text" else "integer",
            "movie_id": "text" if named.get("movie_id") == "text" else "integer",
        }
    return None


def read_manifests(root: Path) -> Iterator[dict[str, Any]]:
    """The manifests of the releases of a store, the newest first, then those of its datasets."""
    releases = [folder for folder in entries_of(root, "releases") if is_version(folder.name)]
    newest = sorted(releases, key=lambda folder: version_number(folder.name), reverse=True)
    for folder in (*newest, *entries_of(root, "datasets")):
        with contextlib.suppress(MatineeError):
            yield read_json(folder / MANIFEST)
