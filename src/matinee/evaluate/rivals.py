"""Which releases a candidate is judged against: the champion and the anchor."""

from matinee.evaluate.gate import Champion
from matinee.evaluate.opponent import Opponent
from matinee.registry import Registry
from matinee.release.manifest import read_manifest
from matinee.store import Reference, Store


def find_opponent(store: Store, candidate: Reference) -> Champion | None:
    """The champion, or None before there is one.

    A candidate that is the champion already is not judged against itself but against the one it replaced, so that
    an identical run finds its evaluation done.
    """
    registry = Registry.open(store.root)
    return _as_champion(store, _judged(registry, candidate, "judged_against", registry.champion()))


def find_anchor(store: Store, candidate: Reference) -> Champion | None:
    """The release that losses add up against, or None before there is one; of the champion the one it had then."""
    registry = Registry.open(store.root)
    return _as_champion(store, _judged(registry, candidate, "judged_anchor", registry.anchor()))


def _judged(registry: Registry, candidate: Reference, role: str, now: str | None) -> str | None:
    champion = registry.champion()
    if champion is not None:
        manifest = read_manifest(registry.champion_folder())
        if manifest.get("candidate") == candidate.digest:
            judged: str | None = manifest.get(role)
            return judged
    return now


def _as_champion(store: Store, version: str | None) -> Champion | None:
    if version is None:
        return None
    folder = Registry(store.root).folder(version)
    opponent = Opponent(store, folder)
    # The version is part of the digest: it is never given twice, and it is all that is left of a pruned release.
    return Champion(
        version=version,
        digest=version,
        predict=opponent.predict,
        saw=opponent.saw,
        knows=opponent.knows,
        portrait=opponent.portrait,
    )
