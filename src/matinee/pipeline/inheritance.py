"""What a new split inherits from the champion's split, so that rows stay in their subset between runs."""

from matinee.errors import ReleaseError
from matinee.errors.text import shown
from matinee.registry import Registry
from matinee.release.manifest import read_manifest
from matinee.settings import SplitSettings
from matinee.split import Inherited
from matinee.split.hash_split import Cutoffs
from matinee.store import Reference, Store
from matinee.store.documents import MANIFEST


def inherit_split(store: Store, dataset: Reference) -> Inherited | None:
    """The settings and cutoffs of the champion's split; None if there is nothing to inherit.

    On the champion's own dataset, only what that split itself inherited: an identical run then gives the same split.
    """
    if not store.root.is_dir():
        return None
    registry = Registry.open(store.root)
    if registry.champion() is None:
        return None
    folder = registry.champion_folder()
    split = read_manifest(folder).published_split
    try:
        if missing := {"dataset", "settings", "cutoffs", "inherited"} - split.model_fields_set:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        first_of_its_line = split.dataset == dataset.digest and not split.inherited
        if split.cutoffs is None or first_of_its_line:
            return None
        settings = SplitSettings.model_validate(split.settings.model_dump())
        return Inherited(settings, Cutoffs.from_json(split.cutoffs))
    except ValueError as error:
        raise ReleaseError(
            f"{folder / MANIFEST} does not describe its split ({shown(error)}), so no later split can inherit "
            "from it. Restore it from a backup, or promote another release."
        ) from error
