"""The recommend task: the champion's list for every user."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from matinee import recommend as library
from matinee.formats.steps import Step
from matinee.recommend import Recommended
from matinee.registry import Registry
from matinee.release import Release, load
from matinee.release.narrowing import Narrowing
from matinee.settings import RecommendSettings
from matinee.store import Store
from matinee.store.disk_errors import writing
from matinee.store.remote import push_file
from matinee.tasks.policies import as_cached, step


@step(Step.RECOMMEND, run_name="recommend top {top}")
def recommend(
    *,
    store: str,
    out: str | None,
    top: int,
    settings: RecommendSettings,
    narrowing: Narrowing,
    only: str | None,
) -> Recommended:
    """Write the best unseen movies of every user to a Parquet file; the store's own file is made once per release."""
    registry = Registry.open(Path(store))
    opened = Store(registry.root)
    # Prune and forget keep the release meanwhile.
    with writing(registry.root), opened.in_use() if out is None else opened.reading():
        release = load(registry.champion_folder())
        kept = registry.lists(release.version)
        if out is None and kept.exists() and _asked_for(kept) == top:
            return _found(release, kept)
        if out is None:
            kept.parent.mkdir(exist_ok=True)
        target = kept if out is None else Path(out)
        if only is not None:
            is_text = release.movies.texts is not None
            narrowing = replace(narrowing, only=library.read_movie_ids(Path(only), is_text=is_text))
        made = library.recommend_all(release, out=target, top=top, settings=settings, narrowing=narrowing)
        if out is None:
            push_file(registry.root, kept.relative_to(registry.root).as_posix())
        return made


def _asked_for(kept: Path) -> int | None:
    """The requested list length in the file's metadata; None if it is missing, as in a file of narrowed lists."""
    top = (pq.read_schema(kept).metadata or {}).get(library.TOP.encode())
    return int(top) if top else None


def _found(release: Release, kept: Path) -> Recommended:
    """The result for lists that exist already; shown as `Cached` in the UI."""
    rows = pq.read_metadata(kept).num_rows
    found = Recommended(
        release=release.version, users=len(release.users), rows=rows, out=str(kept), seconds=0.0
    )
    return as_cached(found, message=f"finished before, skipped: {kept}")
