"""What a store holds: ratings or plays, ids that are integers or text, and a rating scale. Its manifests say it."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from matinee.errors import MatineeError
from matinee.schemas.names import SIDES, Kind, Side
from matinee.store.documents import MANIFEST, POINTER, Pointer, read_as, read_json
from matinee.store.entries import entries_of
from matinee.store.versions import is_version, version_number


def feedback_of(root: Path) -> Literal["explicit", "implicit"] | None:
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
        return {side: "text" if named.get(side) == "text" else "integer" for side in SIDES}
    return None


def scale_of(root: Path) -> tuple[float, float] | None:
    """The rating scale of the champion; without one, of the newest release or dataset; None for an empty store."""
    champion = None
    with contextlib.suppress(MatineeError):  # a damaged pointer is reported by what uses it
        champion = read_as(root / POINTER, Pointer).version
    for manifest in read_manifests(root, first=champion):
        ends = manifest.get("scale")
        if isinstance(ends, list) and len(ends) == 2 and all(_is_number(end) for end in ends):
            low, high = ends
            return (low, high) if low < high else None  # equal ends are those of plays
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def read_manifests(root: Path, *, first: str | None = None) -> Iterator[dict[str, Any]]:
    """The manifests of releases, `first` and then the newest, and those of datasets, the last used first."""
    releases = [folder for folder in entries_of(root, "releases") if is_version(folder.name)]
    newest = sorted(
        releases, key=lambda folder: (folder.name == first, version_number(folder.name)), reverse=True
    )
    datasets = [folder for folder in entries_of(root, "datasets") if not folder.suffix]  # no unfinished ones
    datasets.sort(key=_age)
    for folder in (*newest, *datasets):
        with contextlib.suppress(MatineeError):
            yield read_json(folder / MANIFEST)


def _age(folder: Path) -> float:
    """Minus the time of the last use; a folder that was removed meanwhile is the oldest."""
    try:
        return -folder.stat().st_mtime
    except OSError:
        return math.inf
