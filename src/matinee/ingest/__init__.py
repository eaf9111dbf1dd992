"""Ingest: rating files and a title file to validated tables; what is not valid is kept with its reason.

The first step of the flow. `plan` names the dataset, `Store.ensure` makes it, `iter_ratings` reads it.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from matinee.errors import DataError
from matinee.ingest._blocks import read_head
from matinee.ingest._dataset import Making, iter_ratings
from matinee.ingest._dialect import recognise
from matinee.ingest._sources import Role, Source, find_sources, source_of
from matinee.lineage import code_digest, digest_of
from matinee.settings import IngestSettings
from matinee.store import Plan, Reference, Store

__all__ = ["iter_ratings", "plan", "read_titles_table"]


def plan(
    store: Store,
    *,
    ratings: Sequence[Path],
    titles: Path,
    test: Sequence[Path] = (),
    settings: IngestSettings,
) -> Plan:
    """The dataset of some rating files, a title file and perhaps test files; paths are files, folders or globs.

    Reads all files for their digests. Raises ConfigError for a path that is not there, DataError for a folder
    without ratings.
    """
    title_source = source_of(titles)

    def is_ratings(source: Source) -> bool:
        try:
            for name, head in read_head(source):
                recognise(head, settings, label=source.label(name))
        except DataError:
            return False
        return True

    named: list[tuple[Role, Source]] = []
    skipped: list[Path] = []
    roles: tuple[tuple[Role, Sequence[Path]], ...] = (("train", ratings), ("test", test))
    for role, paths in roles:
        found, others = find_sources(paths, is_ratings=is_ratings, but=[titles])
        named += [(role, source) for source in found]
        skipped += others
    digest = digest_of(
        code=code_digest(__name__),
        sources=[(role, source.name, source.digest) for role, source in named],
        titles=(title_source.name, title_source.digest),
        settings=settings.model_dump(),
    )
    making = Making(store, sources=named, skipped=skipped, titles=title_source, settings=settings)
    return Plan("datasets", digest, making.make)


def read_titles_table(store: Store, dataset: Reference) -> pl.DataFrame:
    """The titles of a dataset (schema Titles), ids ascending."""
    return pl.read_parquet(store.path(dataset) / "titles.parquet")
