"""What an upgrade of Matinee means for a store: formats that this version reads, and steps that it computes again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from matinee.errors import ConfigError, MatineeError
from matinee.formats.base import Format
from matinee.formats.manifests import DatasetManifest, SourceFile, SplitManifest
from matinee.formats.steps import Step
from matinee.pipeline.chain import Chain
from matinee.pipeline.finished import UnfinishedError, taking_whole
from matinee.registry import Registry
from matinee.release import inspect, read_manifest
from matinee.release.manifest import ReleaseManifest
from matinee.settings import Settings
from matinee.store import Reference, Store
from matinee.store.documents import read_json
from matinee.store.identity import STORE_VERSION, check_usable, is_marked, is_store, make_store
from matinee.store.remote import names_remote

_ORDER: Final = (
    Step.INGEST,
    Step.ENCODE,
    Step.SPLIT,
    Step.TRAIN,
    Step.RANK,
    Step.EVALUATE,
    Step.PUBLISH,
)


class ReleaseFormat(Format):
    """A release in `matinee migrate --json`."""

    version: str = Field(description="Name of the release.")
    schema_version: int | None = Field(
        description="Version of its format; null if its manifest can't be read."
    )
    error: str = Field("", description="Why this version can't use it; present only then.")


class Upgrade(Format):
    """The result of `matinee migrate`."""

    store_version: int = Field(description="Version of the format of the store.")
    unmarked: bool = Field(
        description="Whether the store lacks its marker, as one of an early version; it gets one."
    )
    releases: list[ReleaseFormat] = Field(description="The releases, oldest first.")
    computed_again: list[Step] = Field(
        description="Steps that the next run on the champion's files and settings computes again."
    )
    unknown: str = Field("", description="Why the steps are not known; empty if they are.")


def migrate(root: Path, *, dry_run: bool) -> Upgrade:
    """Bring a store to the formats of this version, and report what an upgrade means for it.

    There has been one format of a store so far, so the only change is the marker that early stores lack. Data and
    releases are never rewritten. The next run computes again what an upgrade made outdated; earlier folders stay.

    Args:
        root: The folder of the store, or its address in an object store.
        dry_run: Whether to report only.

    Returns:
        The report.

    Raises:
        ConfigError: There is no store.
        StoreError: The store has a format of a later version, or can't be written.
    """
    if not names_remote(root):
        check_usable(root)
        if not is_store(root):
            raise ConfigError(f"There is no store at {root}. Use the folder of `matinee retrain --store`.")
    registry = Registry.open(root)
    unmarked = not is_marked(registry.root)
    if unmarked and not dry_run:
        make_store(registry.root)
    steps, unknown = _outdated(Store(registry.root), registry)
    return Upgrade(
        store_version=STORE_VERSION,
        unmarked=unmarked,
        releases=[_look_at(registry, version) for version in registry.versions()],
        computed_again=steps,
        unknown=unknown,
    )


def _look_at(registry: Registry, version: str) -> ReleaseFormat:
    try:
        folder = registry.folder(version)  # of a bucket: it is fetched
        schema_version = read_manifest(folder).schema_version
    except MatineeError as error:
        return ReleaseFormat(version=version, schema_version=None, error=str(error))
    try:
        inspect(folder)
    except MatineeError as error:
        return ReleaseFormat(version=version, schema_version=schema_version, error=str(error))
    return ReleaseFormat(version=version, schema_version=schema_version)


def _outdated(store: Store, registry: Registry) -> tuple[list[Step], str]:
    """The steps that a run like the champion's computes again, and why they are not known, if they are not."""
    if registry.champion() is None:
        return [], "the store has no champion"
    try:
        folder = registry.champion_folder()
        settings = Settings.model_validate(read_json(folder / "settings.json"))
        order = [step for step in _ORDER if step != Step.TRAIN or settings.ingest.feedback != "implicit"]
        manifest = read_manifest(folder)
        if store.read_if_kept(SplitManifest, manifest.published_split.digest) is None:
            return order, ""  # `forget` or `prune` has removed what it was made from
        dataset = _dataset_of(store, manifest)
        chain = Chain(store, settings.spelled_out(), taking_whole(store, store.has))
        sources = store.read(DatasetManifest, dataset.digest).sources
        if all(Path(source.path).exists() for source in sources):
            ratings, titles, test = _by_role(sources)
            dataset = chain.ingest(ratings, titles, test=test)
        chain.test(chain.split(dataset, chain.encode(dataset)))
    except UnfinishedError as error:
        return order[order.index(error.step) :], ""
    except ValidationError as error:
        first = error.errors()[0]
        return (
            [],
            f"settings.json of {registry.champion()} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}",
        )
    except MatineeError as error:
        return [], f"the champion's run can't be planned: {error}"
    return [], ""


def _dataset_of(store: Store, manifest: ReleaseManifest) -> Reference:
    split = store.read(SplitManifest, manifest.need(manifest.published_split.digest, "split.digest"))
    return store.reference("datasets", split.dataset)


def _by_role(sources: Sequence[SourceFile]) -> tuple[list[str], str | None, list[str]]:
    paths = {
        role: [each.path for each in sources if each.role == role] for role in ("train", "titles", "test")
    }
    return paths["train"], next(iter(paths["titles"]), None), paths["test"]
