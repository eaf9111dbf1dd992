"""The ingest step: turns source files into a dataset: a list of partitions, the superseded rows and the titles.

Each partition is a folder of its own, so a run with one new file parses only that file.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.formats.dataset import PartitionList, Profile
from matinee.formats.manifests import DatasetManifest, SourceFile, SourceRole
from matinee.ingest.checks.feedback import check_feedback
from matinee.ingest.checks.refusal import check_rejects, check_rows_read, check_users
from matinee.ingest.checks.scales import check_scales
from matinee.ingest.checks.warnings import find_warnings
from matinee.ingest.column_order import Ordered, order_columns
from matinee.ingest.duplicates.search import NOTHING_SUPERSEDED, find_superseded
from matinee.ingest.duplicates.superseded import write_superseded
from matinee.ingest.partitions.partition import Partition, group_sources, open_partition
from matinee.ingest.partitions.writer import plan_partition
from matinee.ingest.profile import count_rows, profile
from matinee.ingest.rating_counts import from_json
from matinee.ingest.rating_scale import bounds_of, fixed_scale, narrowest_scale
from matinee.ingest.reading.entries import LeftOut, refuse_faults
from matinee.ingest.reading.judgement import judge_source
from matinee.ingest.reading.sources import Role, Source, find_sources, source_of
from matinee.ingest.scale_guess import guess_scale
from matinee.ingest.titles.table import NO_TITLES, read_titles
from matinee.settings.ingest import IngestSettings
from matinee.store import Plan, Store
from matinee.store.digests import code_digest, digest_of
from matinee.store.erased_users import Forgotten
from matinee.store.files import write_json
from matinee.store.paths import PATH_LENGTH, check_apart

TITLES: Final = "titles.parquet"
COUNTS: Final = {"user_id": "users.parquet", "movie_id": "movies.parquet"}


def plan(
    store: Store,
    *,
    ratings: Sequence[Path],
    titles: Path | None,
    test: Sequence[Path] = (),
    settings: IngestSettings,
) -> Plan:
    """Plan the dataset of some source files; the files are hashed here, and parsed when the plan is made.

    Args:
        store: The store in which the dataset will be.
        ratings: Rating files, folders or globs.
        titles: The titles file; None for an empty titles table.
        test: Files, folders or globs of test rows.
        settings: How to read them.

    Returns:
        The plan of the dataset's folder. Making it raises DataError if the content of a file is refused.

    Raises:
        ConfigError: A path does not exist or is inside the store, or the store holds the other kind of feedback.
        DataError: A folder holds no rating file.
    """

    check_apart(store.root, sources=[*ratings, *test, *([titles] if titles else [])])
    check_feedback(store.root, settings.feedback)
    title_sources = [] if titles is None else [source_of(titles)]
    # A folder or glob never includes the titles file; if it is named as ratings, the reader reports what it is.
    taken = [source.path for source in title_sources if source.path not in {*ratings, *test}]
    judge = partial(judge_source, settings=settings)
    tests, others = find_sources(test, judge=judge, exclude=taken)
    taken += [source.path for source in tests]
    trains, left_out = find_sources(ratings, judge=judge, exclude=taken)
    refuse_faults(
        [*others, *left_out], settings, label=shown(", ".join(map(str, [*ratings, *test])), PATH_LENGTH)
    )
    if not trains:
        given = ", ".join(map(str, ratings))
        raise DataError(
            f"{given} is given both as ratings and as test rows, so no row is left to train on. Expected ratings "
            "(userID,movieID,rating) in separate files."
        )
    linked = [source.path for source in (*trains, *tests) if source.path.is_symlink()]
    check_apart(store.root, sources=linked)  # a folder may hold links into the store
    job = _Job(store, settings, title_sources, trains, tests, left_out, Forgotten.read(store.root))
    return Plan("datasets", job.digest(), job.make)


@dataclass(frozen=True)
class _Job:
    store: Store
    settings: IngestSettings
    titles: Sequence[Source]  # one or none
    trains: Sequence[Source]
    tests: Sequence[Source]
    left_out: Sequence[LeftOut]
    forgotten: Forgotten

    def digest(self) -> str:
        return digest_of(
            code=code_digest(__name__),
            train=[source.identity for source in self.trains],
            test=[source.identity for source in self.tests],
            titles=[source.identity for source in self.titles],
            settings=self.settings.dump_meaning(),
            forgotten=self.forgotten.digest,
        )

    def make(self, folder: Path) -> DatasetManifest:
        titles, title_rejects, title_warnings = (
            read_titles(self.titles[0], self.settings) if self.titles else NO_TITLES
        )
        groups, order_warnings = self._order(titles["movie_id"].to_numpy())
        scale, partitions = self._partitions(groups)
        check_rows_read([*self.trains, *self.tests], partitions)
        check_users(partitions)
        check_rejects(partitions, self.settings, scale=scale)
        plays = self.settings.feedback == "implicit"  # a repeated play is one
        skip = self.settings.duplicates == "off" and not plays
        superseded = NOTHING_SUPERSEDED if skip else find_superseded(partitions)
        removed = write_superseded(folder, superseded, partitions)
        counts = count_rows(partitions, removed)
        for name, file in COUNTS.items():
            counts[name].write_parquet(folder / file)
        seen = profile(partitions, titles, removed, counts=counts, scale=bounds_of(scale))
        titles.write_parquet(folder / TITLES)
        title_rejects.write_parquet(folder / "title_rejects.parquet")
        write_json(folder / Profile.NAME, seen)
        listed = PartitionList(partitions=[partition.listed() for partition in partitions])
        write_json(folder / PartitionList.NAME, listed)
        codes = sum((Counter(partition.manifest.rejects) for partition in partitions), Counter[str]())
        codes["superseded"] += removed.rows
        read = sum(partition.manifest.rows_read for partition in partitions)
        rows = sum(partition.manifest.rows for partition in partitions)
        return DatasetManifest(
            rows=rows - removed.rows,
            rows_read=read,
            rows_rejected=read - rows + removed.rows,
            rejects=dict(sorted((+codes).items())),
            title_rejects=dict(sorted(Counter(title_rejects["code"].to_list()).items())),
            scale=list(bounds_of(scale)),
            feedback=self.settings.feedback,
            warnings=[
                *find_warnings(
                    partitions,
                    removed,
                    profile=seen,
                    scale=scale,
                    title_rejects=title_rejects,
                    settings=self.settings,
                    left_out=self.left_out,
                ),
                *order_warnings,
                *title_warnings,
            ],
            partitions=[partition.digest for partition in partitions],
            sources=self._describe_sources(),
        )

    def _order(self, movies: NDArray[np.int64]) -> tuple[list[tuple[Role, Ordered]], list[str]]:
        """The files by role and by the order of their columns, and warnings about the order."""
        groups: list[tuple[Role, Ordered]] = []
        warnings = []
        for role, sources in self._by_role():
            ordered, odd = order_columns(sources, movies, self.settings)
            groups += [(role, each) for each in ordered]
            warnings += odd
        return groups, warnings

    def _partitions(self, groups: Sequence[tuple[Role, Ordered]]) -> tuple[str, list[Partition]]:
        """The partitions on the configured scale, or on the scale inferred from all values."""
        fixed = fixed_scale(self.settings)
        if fixed != "auto":
            return fixed, self._ensure(fixed, groups)
        guess = guess_scale([*self.trains, *self.tests], self.settings)
        partitions = self._ensure(guess, groups)
        scale = narrowest_scale(from_json(partition.manifest.values_read for partition in partitions))
        check_scales(partitions, scale)
        return scale, partitions if scale == guess else self._ensure(scale, groups)

    def _ensure(self, scale: str, groups: Sequence[tuple[Role, Ordered]]) -> list[Partition]:
        partitions = []
        for role, ordered in groups:
            settings = ordered.settings
            for group in group_sources(ordered.sources):
                planned = plan_partition(group, settings=settings, scale=scale, forgotten=self.forgotten)
                made = self.store.ensure(planned)
                partitions.append(open_partition(self.store, made.digest, role, group))
        return partitions

    def _by_role(self) -> list[tuple[Role, Sequence[Source]]]:
        return [("train", self.trains), ("test", self.tests)]

    def _describe_sources(self) -> list[SourceFile]:
        kinds: list[tuple[SourceRole, Sequence[Source]]] = [*self._by_role(), ("titles", self.titles)]
        return [
            SourceFile(
                name=source.name, path=source.place, role=role, bytes=source.size, digest=source.digest
            )
            for role, sources in kinds
            for source in sources
        ]
