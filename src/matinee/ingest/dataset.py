"""The ingest step: turns source files into a dataset: a list of partitions, the superseded rows and the titles.

Each partition is a folder of its own, so a run with one new file parses only that file.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from matinee.formats.base import Manifest
from matinee.formats.dataset import PartitionList, Profile
from matinee.formats.manifests import DatasetManifest, SourceFile, SourceRole
from matinee.ingest.checks.feedback import check_feedback
from matinee.ingest.checks.refusal import check_rejects, check_rows_read, check_users
from matinee.ingest.checks.scales import check_scales
from matinee.ingest.checks.warnings import find_warnings
from matinee.ingest.column_order import Ordered, order_columns
from matinee.ingest.duplicates.search import NOTHING_SUPERSEDED, find_superseded
from matinee.ingest.duplicates.superseded import SupersededSummary, write_superseded
from matinee.ingest.id_kinds import (
    Kinds,
    check_held,
    check_ids,
    check_setting,
    decide_kinds,
    guess_kinds,
    kind_warnings,
    missing_warnings,
)
from matinee.ingest.partitions.id_texts import (
    TEXTS,
    merge_texts,
    pieces_of,
    read_texts,
    with_texts,
    write_texts,
)
from matinee.ingest.partitions.partition import Partition, group_sources, open_partition
from matinee.ingest.partitions.writer import plan_partition
from matinee.ingest.profile import count_rows, profile
from matinee.ingest.rating_counts import from_json
from matinee.ingest.rating_files import find_ratings
from matinee.ingest.rating_scale import bounds_of, fixed_scale, narrowest_scale
from matinee.ingest.reading.entries import LeftOut
from matinee.ingest.reading.sources import Role, Source
from matinee.ingest.scale_guess import guess_scale
from matinee.ingest.titles.table import ReadTitles, no_titles, read_titles
from matinee.ingest.titles.titles_file import titles_source
from matinee.schemas.names import SIDES, Side
from matinee.settings.ingest import IngestSettings
from matinee.store import Plan, Store, progress
from matinee.store.digests import code_digest, digest_of
from matinee.store.erased_users import Forgotten
from matinee.store.files import write_json
from matinee.store.paths import check_apart
from matinee.store.row_kinds import kinds_of

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
    progress.begin("checking files", unit="bytes")
    title_sources = [] if titles is None else [titles_source(titles, settings)]
    # A folder or glob never includes the titles file; if it is named as ratings, the reader reports what it is.
    taken = [source.path for source in title_sources if source.path not in {*ratings, *test}]
    trains, tests, left_out = find_ratings(ratings, test, settings, exclude=taken)
    linked = [source.path for source in (*trains, *tests) if source.path.is_symlink()]
    check_apart(store.root, sources=linked)  # a folder may hold links into the store
    held = kinds_of(store.root)
    check_setting(held, settings)
    job = _DatasetJob(
        store, settings, held, title_sources, trains, tests, left_out, Forgotten.read(store.root)
    )
    return Plan("datasets", job.digest(), job.make, admit=job.admit)


@dataclass(frozen=True)
class _DatasetJob:
    store: Store
    settings: IngestSettings
    held: Kinds | None  # the kinds of ids of the store
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
        given = self._read_titles(self._known_kinds())
        groups, order_warnings = self._order(given)
        scale, kinds, partitions = self._partitions(groups)
        if self.titles and given.kind != kinds["movie_id"]:
            given = self._read_titles(kinds)
        self._check(partitions, scale)
        removed, seen = self._write_tables(folder, partitions, given, scale)
        warnings = find_warnings(
            partitions,
            removed,
            profile=seen,
            scale=scale,
            title_rejects=given.rejects,
            settings=self.settings,
            left_out=self.left_out,
        )
        tables = {side: folder / COUNTS[side] for side in SIDES}
        read = sum(partition.manifest.rows_read for partition in partitions)
        rows = sum(partition.manifest.rows for partition in partitions) - removed.rows
        return DatasetManifest(
            rows=rows,
            rows_read=read,
            rows_rejected=read - rows,
            rejects=_count_rejects(partitions, superseded=removed.rows),
            title_rejects=dict(sorted(Counter(given.rejects["code"].to_list()).items())),
            scale=list(bounds_of(scale)),
            feedback=self.settings.feedback,
            ids=dict(kinds),
            warnings=[
                *warnings,
                *order_warnings,
                *given.warnings,
                *kind_warnings(partitions, self.settings, self.held),
                *missing_warnings(tables, kinds),
            ],
            partitions=[partition.digest for partition in partitions],
            sources=self._describe_sources(),
        )

    def _check(self, partitions: Sequence[Partition], scale: str) -> None:
        """Raise DataError if the rows of all files together are not ratings, or too many of them were rejected."""
        check_rows_read([*self.trains, *self.tests], partitions)
        check_users(partitions)
        check_ids(partitions, self.settings, held=self.held)
        check_rejects(partitions, self.settings, scale=scale)

    def _write_tables(
        self, folder: Path, partitions: Sequence[Partition], given: ReadTitles, scale: str
    ) -> tuple[SupersededSummary, Profile]:
        """Write the files of a dataset except the manifest; returns the superseded rows' counts and the profile."""
        plays = self.settings.feedback == "implicit"  # a repeated play is one
        skip = self.settings.duplicates == "off" and not plays
        progress.begin("looking for repeated rows")
        superseded = NOTHING_SUPERSEDED if skip else find_superseded(partitions)
        texts = self._texts(folder, partitions, given)
        removed = write_superseded(folder, superseded, partitions, texts)
        progress.begin("counting rows")
        counts = count_rows(partitions, removed)
        for name, file in COUNTS.items():
            counts[name].write_parquet(folder / file)
        seen = profile(partitions, given.titles, removed, counts=counts, scale=bounds_of(scale))
        numbers = given.titles["movie_id"]
        given.titles.with_columns(with_texts(numbers, texts.get("movie_id"))).write_parquet(folder / TITLES)
        given.rejects.write_parquet(folder / "title_rejects.parquet")
        write_json(folder / Profile.NAME, seen)
        listed = PartitionList(partitions=[partition.listed() for partition in partitions])
        write_json(folder / PartitionList.NAME, listed)
        return removed, seen

    def admit(self, made: Manifest) -> None:
        """Raise ConfigError or DataError if another run has given an empty store the other kind of rows or ids."""
        check_feedback(self.store.root, self.settings.feedback)
        if isinstance(made, DatasetManifest):
            check_held(self.held, kinds_of(self.store.root), made.ids)

    def _known_kinds(self) -> Kinds | None:
        """The kinds that the store or the settings decide; None if the rows decide."""
        return self.held or (None if self.settings.ids == "auto" else self.settings.id_kinds)

    def _read_titles(self, kinds: Kinds | None) -> ReadTitles:
        if not self.titles:
            return no_titles()
        progress.begin("reading titles")
        return read_titles(self.titles[0], self.settings, None if kinds is None else kinds["movie_id"])

    def _order(self, titles: ReadTitles) -> tuple[list[tuple[Role, Ordered]], list[str]]:
        """The files by role and by the order of their columns, and warnings about the order."""
        groups: list[tuple[Role, Ordered]] = []
        warnings = []
        movies = titles.titles["movie_id"].to_numpy()
        for role, sources in self._by_role():
            ordered, odd = order_columns(sources, movies, self.settings, titles.kind)
            groups += [(role, each) for each in ordered]
            warnings += odd
        return groups, warnings

    def _partitions(self, groups: Sequence[tuple[Role, Ordered]]) -> tuple[str, Kinds, list[Partition]]:
        """The scale, the kinds of ids, and the partitions. What is not given is guessed, and then all rows decide."""
        known, fixed = self._known_kinds(), fixed_scale(self.settings)
        kinds = known or guess_kinds([ordered for _, ordered in groups])
        scale = fixed if fixed != "auto" else guess_scale([*self.trains, *self.tests], self.settings)
        partitions = self._ensure(scale, kinds, groups)
        if known is None and (decided := decide_kinds(partitions, self.settings)) != kinds:
            kinds = decided
            partitions = self._ensure(scale, kinds, groups)
        if fixed != "auto":
            return fixed, kinds, partitions
        right = narrowest_scale(from_json(partition.manifest.values_read for partition in partitions))
        check_scales(partitions, right)
        return right, kinds, partitions if right == scale else self._ensure(right, kinds, groups)

    def _ensure(self, scale: str, kinds: Kinds, groups: Sequence[tuple[Role, Ordered]]) -> list[Partition]:
        partitions = []
        progress.begin(
            "reading ratings",
            total=sum(source.size for _, ordered in groups for source in ordered.sources),
            unit="bytes",
        )
        for role, ordered in groups:
            settings = ordered.settings.with_kinds(kinds)
            for group in group_sources(ordered.sources):
                planned = plan_partition(group, settings=settings, scale=scale, forgotten=self.forgotten)
                made = self.store.ensure(planned)
                partitions.append(open_partition(self.store, made.digest, role, group))
                progress.reach(sum(source.size for each in partitions for source in each.sources))
        return partitions

    def _texts(
        self, folder: Path, partitions: Sequence[Partition], titles: ReadTitles
    ) -> dict[Side, pl.DataFrame]:
        """The texts of text ids by side, those of the titles as well; they are written to the dataset."""
        found: dict[Side, pl.DataFrame] = {}
        for side in SIDES:
            tables = [read_texts(partition.folder, side) for partition in partitions]
            more = [titles.texts] if side == "movie_id" else []
            merged = merge_texts([*tables, *more])
            if merged.height:
                found[side] = merged
                write_texts(folder / TEXTS[side], pieces_of(merged))
        return found

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


def _count_rejects(partitions: Sequence[Partition], *, superseded: int) -> dict[str, int]:
    """The rejects of all partitions by code, those of repeated pairs as well."""
    codes = sum((Counter(partition.manifest.rejects) for partition in partitions), Counter[str]())
    codes["superseded"] += superseded
    return dict(sorted((+codes).items()))
