"""Makes datasets in a test, and reads their rows."""

from pathlib import Path
from typing import Any

from matinee import ingest
from matinee.settings.ingest import IngestSettings
from matinee.store import Reference, Store

TITLES = "1,2003,A\n2,2004,B\n9,2005,C\n"


def make(
    folder: Path,
    *,
    ratings: list[Path],
    test: list[Path] | None = None,
    titles: Path | None = None,
    **setting: Any,
) -> tuple[Store, Reference]:
    if titles is None:
        titles = folder / "titles.csv"
        titles.write_text(TITLES)
    store = Store.open(folder / "store")
    plan = ingest.plan(
        store,
        ratings=ratings,
        test=test or [],
        titles=titles,
        settings=IngestSettings.model_validate(setting),
    )
    return store, store.ensure(plan)


def write(path: Path, *rows: str, header: str = "user,movie,rating,date") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def rows_of(store: Store, dataset: Reference, **which: Any) -> list[tuple[Any, ...]]:
    return [row for batch in ingest.iter_ratings(store, dataset, **which) for row in batch.iter_rows()]
