"""Finds the releases that a candidate is compared with: the champion and the anchor."""

from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.released_model import ReleasedModel
from matinee.evaluate.tested import Models
from matinee.registry import Registry
from matinee.release.manifest import ReleaseManifest, read_manifest
from matinee.store import Store


def find_champion(store: Store, models: Models) -> ComparedModel | None:
    """The champion, or None before there is one.

    A candidate that already is the champion, with its ranking model, is compared with the champion that it replaced, so
    that an identical run finds its evaluation finished.

    Args:
        store: The store.
        models: The candidate and its ranking model.

    Returns:
        The release to compare with.
    """
    registry = Registry.open(store.root)
    own = _own_release(registry, models)
    return _as_compared_model(store, own.judged_against if own else registry.champion())


def find_anchor(store: Store, models: Models) -> ComparedModel | None:
    """The anchor, or None before there is one; for the current champion, the anchor that it was compared with.

    Args:
        store: The store.
        models: The candidate and its ranking model.

    Returns:
        The release to compare with.
    """
    registry = Registry.open(store.root)
    own = _own_release(registry, models)
    return _as_compared_model(store, own.judged_anchor if own else registry.anchor())


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
