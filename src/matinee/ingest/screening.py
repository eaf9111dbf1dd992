"""Screens rating files one by one, so that a file that would be refused does not stop the others.

Accepted files are parsed in the process: the dataset reuses their partitions.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matinee.errors import ConfigError, DataError
from matinee.ingest.checks.feedback import check_feedback
from matinee.ingest.checks.refusal import check_rejects, check_rows_read, check_users
from matinee.ingest.checks.store_scale import (
    check_one_scale,
    find_off_scale,
    is_wider,
    off_scale_reason,
    scale_of_all,
)
from matinee.ingest.column_order import Ordered, order_columns
from matinee.ingest.id_kinds import Kinds, check_ids, check_setting, decide_kinds, guess_kinds
from matinee.ingest.partitions.partition import Partition, group_sources, open_partition
from matinee.ingest.partitions.writer import plan_partition
from matinee.ingest.rating_counts import RatingCounts
from matinee.ingest.rating_scale import fixed_scale
from matinee.ingest.reading.sources import Source, source_of
from matinee.ingest.scale_guess import count_head, scale_of
from matinee.ingest.titles.table import ReadTitles, no_titles, read_titles
from matinee.settings.ingest import IngestSettings, scale_name
from matinee.store import Store
from matinee.store.erased_users import Forgotten
from matinee.store.row_kinds import kinds_of
from matinee.store.row_kinds import scale_of as scale_of_store


@dataclass(frozen=True)
class Screening:
    """The result of screening. A file that changed or disappeared while it was read is in neither list."""

    accepted: list[Path] = field(default_factory=list)
    refused: dict[Path, str] = field(default_factory=dict)  # with the reason
    # The table of rejected rows of a refused file, if it had rows.
    rejects: dict[Path, Path] = field(default_factory=dict)


def screen(
    store: Store, paths: Sequence[Path], *, settings: IngestSettings, titles: Path | None = None
) -> Screening:
    """Read each rating file as part of a dataset of all of them, and report which files would be refused.

    Args:
        store: The store of the dataset.
        paths: Rating files.
        settings: How to read them.
        titles: The titles file, whose ids decide the order of columns in files without a header.

    Returns:
        The files that are accepted, and those that are refused.

    Raises:
        ConfigError: The store holds the other kind of feedback.
        DataError: The files have different scales and the store has none yet, or no file is on that of the store.
        StoreError: The store cannot be written.
    """
    check_feedback(store.root, settings.feedback)
    held = kinds_of(store.root)
    check_setting(held, settings)
    given = no_titles()
    if titles is not None:
        asked = None if settings.ids == "auto" else settings.id_kinds
        kinds = held or asked
        given = read_titles(source_of(titles), settings, None if kinds is None else kinds["movie_id"])
    screener = _Screener(store, settings, Forgotten.read(store.root), held, given)
    for path in paths:
        screener.open(path)
    return screener.screen()


def find_unreadable(paths: Sequence[Path]) -> dict[Path, str]:
    """The files that cannot be read at all, with the reason; empty for a file that disappeared meanwhile."""
    faults = {}
    for path in paths:
        try:
            source_of(path)
        except (ConfigError, DataError) as error:
            faults[path] = str(error) if os.path.lexists(path) else ""
    return faults


def check_titles(path: Path, settings: IngestSettings, *, store: Store) -> None:
    """Read a titles file as part of a dataset of a store, to check it.

    Raises ConfigError if it does not exist, and DataError if its content is refused.
    """
    held = kinds_of(store.root)
    read_titles(source_of(path), settings, None if held is None else held["movie_id"])


class _Screener:
    def __init__(
        self,
        store: Store,
        settings: IngestSettings,
        forgotten: Forgotten,
        held: Kinds | None,
        titles: ReadTitles,
    ) -> None:
        self.movies, self.titles_kind = titles.titles["movie_id"].to_numpy(), titles.kind
        self.orders: dict[Path, IngestSettings] = {}  # how each file is read
        self.held = held  # the kinds of ids of the store
        self.kinds: Kinds = settings.id_kinds
        self.store, self.settings, self.forgotten = store, settings, forgotten
        ends = scale_of_store(store.root)
        self.scale = None if ends is None else scale_name(*ends)  # of the store
        self.sources: dict[Path, Source] = {}
        self.heads: dict[Path, RatingCounts] = {}
        self.screening = Screening()

    def open(self, path: Path) -> None:
        try:
            self.sources[path] = source_of(path)
        except (ConfigError, DataError) as error:
            if os.path.lexists(path):
                self.screening.refused[path] = str(error)
            return
        try:
            ordered, _ = order_columns([self.sources[path]], self.movies, self.settings, self.titles_kind)
            self.orders[path] = ordered[0].settings
            self.heads[path] = count_head(self.sources[path], self.orders[path])
        except (ConfigError, DataError) as error:
            self._refuse(self.sources[path], str(error))

    def screen(self) -> Screening:
        scale = fixed_scale(self.settings)
        if self.sources:
            scale = scale_of([self.heads[path] for path in self.sources]) if scale == "auto" else scale
            partitions = self._decide_kinds(scale)
            if fixed_scale(self.settings) == "auto" and partitions:
                scale = self._choose_scale(partitions)
        for partition in self._parse(self._groups(), scale):
            self._check(partition, scale)
        self.screening.accepted.extend(self.sources)
        return self.screening

    def _decide_kinds(self, scale: str) -> list[Partition]:
        """The partitions of all files, once the kinds of ids are known: those of the store, or by all rows."""
        asked = None if self.settings.ids == "auto" else self.settings.id_kinds
        known = self.held or asked
        guess = known or guess_kinds(self._groups())
        self.kinds = guess
        partitions = self._parse(self._groups(), scale)
        if known is None and partitions and (kinds := decide_kinds(partitions, self.settings)) != guess:
            self.kinds = kinds
            partitions = self._parse(self._groups(), scale)
        return partitions

    def _choose_scale(self, partitions: list[Partition]) -> str:
        """The scale of all files, without those that are refused because they are not on the scale of the store.

        Raises DataError if files have different scales and the store has none yet, or if none is on that of the store.
        """
        most = self.settings.max_reject_fraction
        if self.scale is None:
            check_one_scale(partitions, most_rejects=most)
            return scale_of_all(partitions)
        while found := find_off_scale(partitions, self.scale, most_rejects=most):
            odd = {partition.digest for partition, _ in found}
            partitions = [partition for partition in partitions if partition.digest not in odd]
            for partition, theirs in found:
                if len(partition.sources) > 1 and not is_wider(self.scale, theirs):  # some files may be right
                    partitions += self._parse(self._alone(partition.sources), self.scale)
                    continue
                for source in partition.sources:
                    self._refuse(source, off_scale_reason(source.label(), theirs, self.scale))
        return scale_of_all(partitions)

    def _groups(self) -> list[Ordered]:
        """The files that share a partition, with the settings by which they are read."""
        groups: dict[str, list[Source]] = {}
        for path, source in self.sources.items():
            groups.setdefault(str(self.orders[path].columns), []).append(source)
        return [
            Ordered(some, self.orders[some[0].path])
            for sources in groups.values()
            for some in group_sources(sources)
        ]

    def _parse(self, groups: list[Ordered], scale: str) -> list[Partition]:
        """The partitions of all readable files; if a shared partition fails, its files are parsed one by one."""
        partitions = []
        while groups:
            group = groups.pop()
            planned = plan_partition(
                group.sources,
                settings=group.settings.with_kinds(self.kinds),
                scale=scale,
                forgotten=self.forgotten,
            )
            try:
                made = self.store.ensure(planned)
                partitions.append(open_partition(self.store, made.digest, "train", group.sources))
            except (ConfigError, DataError) as error:
                if len(group.sources) > 1:
                    groups += self._alone(group.sources)
                else:
                    self._refuse(group.sources[0], str(error))
        return partitions

    def _check(self, partition: Partition, scale: str) -> None:
        """Refuse a partition without rows or with too many rejects; a shared partition is checked file by file."""
        try:
            check_rows_read(partition.sources, [partition])
            check_users([partition])
            check_ids([partition], self.settings, held=self.held)
            check_rejects([partition], self.settings, scale=scale)
        except DataError as error:
            if len(partition.sources) == 1:
                self.screening.rejects[partition.sources[0].path] = partition.folder / "rejects.parquet"
                self._refuse(partition.sources[0], str(error))
                return
            for alone in self._parse(self._alone(partition.sources), scale):
                self._check(alone, scale)

    def _alone(self, sources: Sequence[Source]) -> list[Ordered]:
        return [Ordered([source], self.orders[source.path]) for source in sources]

    def _refuse(self, source: Source, reason: str) -> None:
        """Refuse a file, unless it changed meanwhile: then it is not complete yet and stays for the next run."""
        del self.sources[source.path]
        with contextlib.suppress(DataError):
            source.check_unchanged()
            self.screening.refused[source.path] = reason
