"""The parts of a release, each read and checked by itself, and put together if they fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matinee.release.answers import Release
from matinee.release.checks import (
    ArraySummary,
    ColumnKind,
    check_codes,
    check_levels,
    check_numbers,
    check_offsets,
    check_ranking_shapes,
    check_shapes,
    make_id_map,
    read_table,
)
from matinee.release.files import ReleaseFiles
from matinee.release.item_catalog import LEVELS as SEEN_LEVELS
from matinee.release.item_catalog import MOVIES as SEEN_MOVIES
from matinee.release.item_catalog import OFFSETS as SEEN_OFFSETS
from matinee.release.item_catalog import ItemCatalog, RankingNote
from matinee.release.manifest import parse_object
from matinee.release.ranking_model import RankingModel
from matinee.release.user_prior import PRIOR, PriorFile, UserPrior, parse_user_prior
from matinee.release.weights import StoredTable
from matinee.store.documents import Document

USERS: Final = "users.parquet"
MOVIES: Final = "movies.parquet"
METRICS: Final = "metrics.json"
_MOVIE_COLUMNS: Final[dict[str, ColumnKind]] = {
    "movie_id": "id",
    "train_rows": "count",
    "liked_rows": "count",
    "title": "text",
}
# Counts of the tested models, where they were fitted on other rows than the published ones.
_TESTED_COLUMNS: Final[dict[str, ColumnKind]] = {"tested_rows": "count", "tested_liked_rows": "count"}


@dataclass
class Parts:
    """What was read of a release, to be put together if it fits."""

    files: ReleaseFiles
    weights: str | None  # the name of the file; None in a release of plays
    ranking: str
    tested: bool  # whether these are the tested models, where others were published
    users: int = 0
    movies: int = 0
    codes: ArraySummary = field(default_factory=ArraySummary)
    offsets: ArraySummary = field(default_factory=ArraySummary)
    small: dict[str, bytes] = field(default_factory=dict)

    def read_weights(self) -> dict[str, NDArray[Any]]:
        """The tables of the rating model; none in a release of plays."""
        if self.weights is None:
            return {}
        tables = self.files.read_tables(self.weights, accept=self._accept)
        with self.files.parsing(self.weights):
            for name, table in tables.items():
                check_numbers(name, table)
        return tables

    def _accept(self, places: list[StoredTable]) -> None:
        shapes = {place.name: place.shape for place in places}
        self.users, self.movies = check_shapes(shapes, model=self.files.manifest.model)

    def assemble(
        self, weights: dict[str, NDArray[Any]], *, offsets: NDArray[np.int64], seen: NDArray[np.int32]
    ) -> Release:
        """The release, every part of which fits the others."""
        files = self.files
        if self.weights is None:  # nothing else is of as many users and movies
            self.users = len(offsets) - 1
            self.movies = _count_rows(files, self.small[MOVIES])
        with files.parsing(USERS):
            columns: dict[str, ColumnKind] = {"user_id": "id"}
            table = read_table(self.small[USERS], columns, rows=self.users, optional={"user_key": "id"})
            users = make_id_map(table, "user")
        with files.parsing(SEEN_OFFSETS):
            check_offsets(offsets, self.offsets, users=self.users, rows=len(seen))
        with files.parsing(SEEN_MOVIES):
            check_codes(self.codes, movies=self.movies)
        catalog = self._catalog(offsets, seen)
        return Release(
            path=files.folder.path,
            manifest=files.manifest,
            users=users,
            movies=catalog.movies,
            weights=weights,
            catalog=catalog,
            user_prior=self._user_prior(weights),
        )

    def add_ranking(self, release: Release) -> Release:
        """The same release with its ranking model."""
        levels, passed = SEEN_LEVELS, ArraySummary()
        tables = self.files.read_tables(self.ranking, accept=self._accept_ranking)
        with self.files.parsing(self.ranking):
            for name, table in tables.items():
                check_numbers(name, table)
        seen = self.files.map(levels, np.uint8, watch=passed.watch_levels)
        with self.files.parsing(levels):
            check_levels(passed, rows=len(seen), expected=len(release.catalog.seen_movies))
        return replace(
            release,
            catalog=replace(release.catalog, seen_levels=seen),
            ranking=RankingModel(**tables),
        )

    def _accept_ranking(self, places: list[StoredTable]) -> None:
        check_ranking_shapes({place.name: place.shape for place in places}, movies=self.movies)

    def _catalog(self, offsets: NDArray[np.int64], seen: NDArray[np.int32]) -> ItemCatalog:
        with self.files.parsing(MOVIES):
            movies = read_table(
                self.small[MOVIES],
                _MOVIE_COLUMNS,
                rows=self.movies,
                optional={"year": "year", "movie_key": "id", **_TESTED_COLUMNS},
            )
            ids = make_id_map(movies, "movie")
        with self.files.parsing(METRICS):
            ranking = RankingNote.model_validate(self._object(METRICS).get("ranking"))
        return ItemCatalog(
            movies=ids,
            titles=movies["title"],
            train_rows=self._counted(movies, "tested_rows", otherwise="train_rows"),
            liked_rows=self._counted(movies, "tested_liked_rows", otherwise="liked_rows"),
            years=_years(movies.get("year"), movies=self.movies),
            popularity_weight=ranking.popularity_weight,
            seen_offsets=offsets,
            seen_movies=seen,
        )

    def _counted(
        self, movies: Mapping[str, pa.ChunkedArray], name: str, *, otherwise: str
    ) -> NDArray[np.int64]:
        """Counts of the rows that the models which are read were fitted on."""
        counts: NDArray[np.int64] = movies[name if self.tested and name in movies else otherwise].to_numpy()
        return counts

    def _user_prior(self, weights: dict[str, NDArray[Any]]) -> UserPrior | None:
        if PRIOR not in self.small:
            return None
        with self.files.parsing(PRIOR):
            file = PriorFile.model_validate(self._object(PRIOR))
            return parse_user_prior(file, size=weights["movie_factors"].shape[1])

    def _object(self, name: str) -> Document:
        return parse_object(self.small[name], self.files.path(name))


def _count_rows(files: ReleaseFiles, table: bytes) -> int:
    with files.parsing(MOVIES), pq.ParquetFile(pa.BufferReader(table)) as file:
        return int(file.metadata.num_rows)


def _years(column: pa.ChunkedArray | None, *, movies: int) -> NDArray[np.int32]:
    """The year of each movie; 0 if it is unknown."""
    if column is None:
        return np.zeros(movies, np.int32)
    years: NDArray[np.int32] = column.fill_null(0).to_numpy().astype(np.int32)
    return years
