"""The ingest step: source files to a dataset, which is a list of partitions, the superseded rows and the titles.

Partitions are folders of their own, so a run with one new file parses that file alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matinee.errors import DataError
from matinee.ingest._dialect import recognise
from matinee.ingest._duplicates import NO_LOSERS, find_superseded
from matinee.ingest._guess import guess_scale
from matinee.ingest._members import read_heads
from matinee.ingest._partition import plan_partition
from matinee.ingest._parts import PARTITIONS, Part, group_sources, open_part
from matinee.ingest._profile import count_rows, profile
from matinee.ingest._refusal import check_rejects, check_rows_read, check_users
from matinee.ingest._scale import SCALES, from_json, narrowest_scale
from matinee.ingest._sources import Role, Source, find_sources, source_of
from matinee.ingest._superseded import write_superseded
from matinee.ingest._titles import read_titles
from matinee.ingest._warnings import find_warnings
from matinee.schemas.rejects import Rejects
from matinee.schemas.titles import Titles
from matinee.settings.ingest import IngestSettings, ScaleName
from matinee.store import Plan, Store
from matinee.store.digests import code_digest, digest_of
from matinee.store.erased_users import Forgotten
from matinee.store.files import write_json
from matinee.store.paths import check_apart

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
    """The folder of a dataset: which files it is made of, hashed but not parsed yet.

    `ratings` and `test` are files, folders or globs; without `titles` the table of titles is empty. Raises
    ConfigError for a path that is not there or lies in the store, and DataError for a folder without ratings; making
    it raises DataError for what the files hold.
    """

    def is_ratings(source: Source) -> bool:
        return any(_is_ratings(member.head, settings) for member in read_heads(source, settings))

    check_apart(store.root, sources=[*ratings, *test, *([titles] if titles else [])])
    title_sources = [] if titles is None else [source_of(titles)]
    # Of a folder or a glob the titles are not meant; where they are named as ratings, the reader says what they are.
    taken = [source.path for source in title_sources if source.path not in {*ratings, *test}]
    tests, _ = find_sources(test, is_ratings=is_ratings, but=taken)
    taken += [source.path for source in tests]
    trains, left_out = find_sources(ratings, is_ratings=is_ratings, but=taken)
    if not trains:
        given = ", ".join(map(str, ratings))
        raise DataError(
            f"{given} is given as ratings and also as test rows, so nothing is left to train on. Expected ratings "
            "(userID,movieID,rating) in files of their own."
        )
    linked = [source.path for source in (*trains, *tests) if source.path.is_symlink()]
    check_apart(store.root, sources=linked)  # a folder may hold links to files of the store
    job = _Job(store, settings, title_sources, trains, tests, left_out, Forgotten.read(store.root))
    return Plan("datasets", job.digest(), job.make)


def _is_ratings(head: bytes, settings: IngestSettings) -> bool:
    try:
        recognise(head, settings, label="")
    except DataError:
        return False
    return True


@dataclass(frozen=True)
class _Job:
    store: Store
    settings: IngestSettings
    titles: Sequence[Source]  # one or none
    trains: Sequence[Source]
    tests: Sequence[Source]
    left_out: Sequence[Path]
    forgotten: Forgotten

    def digest(self) -> str:
        return digest_of(
            code=code_digest(__name__),
            train=[(source.name, source.digest) for source in self.trains],
            test=[(source.name, source.digest) for source in self.tests],
            titles=[(source.name, source.digest) for source in self.titles],
            settings=self.settings.dump_meaning(),
            forgotten=self.forgotten.digest,
        )

    def make(self, folder: Path) -> dict[str, Any]:
        scale, parts = self._partitions()
        check_rows_read([*self.trains, *self.tests], parts)
        check_users(parts)
        check_rejects(parts, self.settings, scale=scale)
        titles, title_rejects = (
            read_titles(self.titles[0], self.settings) if self.titles else (Titles.empty(), Rejects.empty())
        )
        losers = NO_LOSERS if self.settings.duplicates == "off" else find_superseded(parts)
        removed = write_superseded(folder, losers, parts)
        counts = count_rows(parts, removed)
        for name, file in COUNTS.items():
            counts[name].write_parquet(folder / file)
        seen = profile(parts, titles, removed, counts=counts)
        titles.write_parquet(folder / TITLES)
        title_rejects.write_parquet(folder / "title_rejects.parquet")
        write_json(folder / "profile.json", seen)
        write_json(folder / PARTITIONS, {"partitions": [part.to_json() for part in parts]})
        codes = sum((Counter(part.manifest["rejects"]) for part in parts), Counter[str]())
        codes["superseded"] += removed.rows
        read, rows = (sum(part.manifest[name] for part in parts) for name in ("rows_read", "rows"))
        return {
            "rows": rows - removed.rows,
            "rows_read": read,
            "rows_rejected": read - rows + removed.rows,
            "rejects": dict(sorted((+codes).items())),
            "title_rejects": dict(sorted(Counter(title_rejects["code"].to_list()).items())),
            "scale": list(SCALES[scale]),
            "warnings": find_warnings(
                parts,
                removed,
                profile=seen,
                title_rejects=title_rejects,
                settings=self.settings,
                left_out=self.left_out,
            ),
            "partitions": [part.digest for part in parts],
            "sources": self._told(),
        }

    def _partitions(self) -> tuple[ScaleName, list[Part]]:
        """The partitions on the scale that is set, or on the one that all values together show."""
        if self.settings.scale != "auto":
            return self.settings.scale, self._ensure(self.settings.scale)
        guess = guess_scale([*self.trains, *self.tests], self.settings)
        parts = self._ensure(guess)
        scale = narrowest_scale(from_json(part.manifest["values_read"] for part in parts))
        return scale, parts if scale == guess else self._ensure(scale)

    def _ensure(self, scale: ScaleName) -> list[Part]:
        parts = []
        for role, sources in self._by_role():
            for group in group_sources(sources):
                planned = plan_partition(group, settings=self.settings, scale=scale, forgotten=self.forgotten)
                made = self.store.ensure(planned)
                parts.append(open_part(self.store, made.digest, role, group))
        return parts

    def _by_role(self) -> list[tuple[Role, Sequence[Source]]]:
        return [("train", self.trains), ("test", self.tests)]

    def _told(self) -> list[dict[str, Any]]:
        return [
            {
                "name": source.name,
                "path": str(source.path),
                "role": role,
                "bytes": source.size,
                "digest": source.digest,
            }
            for role, sources in (*self._by_role(), ("titles", self.titles))
            for source in sources
        ]
