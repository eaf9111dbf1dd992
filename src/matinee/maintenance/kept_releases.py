"""Which releases prune keeps, and why."""

from matinee.registry import Registry
from matinee.release import read_manifest


def why_kept(registry: Registry, *, keep: int, oldest: int) -> dict[str, str]:
    """The versions to keep, oldest first, each with the reason.

    An active run may compare its candidate with an earlier champion or anchor.

    Args:
        registry: The releases.
        keep: Number of the newest releases to keep.
        oldest: Start of the oldest active run, in nanoseconds.

    Returns:
        The reason by version.
    """
    champion, since = registry.champion(), oldest // 10**9
    reasons: dict[str | None, str] = dict.fromkeys(registry.versions()[-keep:], "among the newest")
    wanted: set[str | None] = set()
    anchored: str | None = None
    is_recent = False
    for entry in registry.moves():
        # All later entries are recent too, even if the clock was wrong.
        is_recent = is_recent or entry.time >= since
        if is_recent:
            wanted |= {entry.before, anchored}
        anchored = entry.anchor or anchored
    # The later reason of a version wins.
    reasons |= dict.fromkeys(wanted, "an active run may compare with it")
    reasons |= dict.fromkeys(_judges(registry, champion), "the champion was compared with it")
    reasons |= {
        registry.anchor(): "anchor",
        registry.predecessor(): "previous champion",
        champion: "champion",
    }
    return {version: reasons[version] for version in registry.versions() if version in reasons}


def _judges(registry: Registry, champion: str | None) -> set[str | None]:
    """The releases that the champion was compared with. A repeated run compares it with them again."""
    if champion is None:
        return set()
    manifest = read_manifest(registry.champion_folder())
    return {manifest.judged_against, manifest.judged_anchor}
