"""Finds the releases that a candidate is compared with: the champion and the anchor."""

from typing import NamedTuple

from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.released_model import ReleasedModel
from matinee.evaluate.tested import Models
from matinee.registry import Registry
from matinee.release.manifest import ReleaseManifest, read_manifest
from matinee.store import Store


class ChampionAndAnchor(NamedTuple):
    """The releases that a candidate is compared with, each None before there is one."""

    champion: ComparedModel | None
    anchor: ComparedModel | None


def find_champion_and_anchor(store: Store, models: Models) -> ChampionAndAnchor:
    """The champion and the anchor.

    A candidate that already is the champion, with its ranking model, is compared with the releases that it was compared
    with then, so that an identical run finds its evaluation finished.

    Args:
        store: The store.
        models: The candidate and its ranking model.

    Returns:
        The releases to compare with.
    """
    registry = Registry.open(store.root)
    own = _own_release(registry, models)
    versions = (own.judged_against, own.judged_anchor) if own else (registry.champion(), registry.anchor())
    return ChampionAndAnchor(*(_as_compared_model(store, version) for version in versions))


def _own_release(registry: Registry, models: Models) -> ReleaseManifest | None:
    """The champion's manifest if the champion is made of these models."""
    if registry.champion() is None:
        return None
    manifest = read_manifest(registry.champion_folder())
    own = models.judged.digest, models.ranking and models.ranking.digest
    return manifest if (manifest.candidate, manifest.ranking) == own else None


def _as_compared_model(store: Store, version: str | None) -> ComparedModel | None:
    if version is None:
        return None
    folder = Registry(store.root).folder(version)
    released = ReleasedModel(store, folder)
    # The digest is the version, which is never reused: nothing else is known of a pruned release.
    return ComparedModel(
        version=version,
        digest=version,
        predict=released.predict,
        was_trained_on=released.was_trained_on,
        knows_ids=released.knows_ids,
        data_summary=released.data_summary,
        lists=released.lists,
    )
