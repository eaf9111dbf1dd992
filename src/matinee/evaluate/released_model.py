"""A release as a model to compare candidates with; it answers with its tested weights."""

from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.errors import StoreError
from matinee.evaluate.drift import DataSummary, RowCounts
from matinee.evaluate.paired_lists import RankedModel
from matinee.release import Release, load
from matinee.release.arrays import Ids
from matinee.release.code_predictions import predict_codes
from matinee.release.idmap import IdMap
from matinee.split.hash_split import SUBSETS, TEST, Cutoffs, pair_hash
from matinee.store import Store
from matinee.store.ratings import count_codes, row_chunks


class ReleasedModel:
    """A release that is loaded on first use."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    @cached_property
    def release(self) -> Release:
        """The release with its tested weights."""
        return load(self._folder, tested=True)

    def predict(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.float32]:
        """Predicted ratings of pairs, within the release's scale."""
        release = self.release
        return predict_codes(release, release.users.encode(user_ids), release.movies.encode(movie_ids))

    def knows_ids(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.bool_]:
        """Which pairs have a user and a movie that both have rows that the tested weights were fitted on."""
        users, movies = self.release.users.encode(user_ids), self.release.movies.encode(movie_ids)
        known: NDArray[np.bool_] = self._rated("users", users) & self._rated("movies", movies)
        return known

    def data_summary(self) -> DataSummary | None:
        """A summary of the release's dataset; None for a release published without one."""
        data = self.release.manifest.data
        if data is None:
            return None
        catalog = self.release.catalog
        rows = np.diff(catalog.seen_offsets), count_codes(catalog.seen_movies, len(self.release.movies))
        return DataSummary(
            ratings={float(rating): count for rating, count in data.rows_per_rating.items()},
            users=RowCounts.of(self.release.users.keys, rows[0]),
            movies=RowCounts.of(self.release.movies.keys, rows[1]),
            past=tuple(data.drifts),
        )

    def lists(self) -> RankedModel | None:
        """The release's tested ranking model; None for a release of an earlier version."""
        if self.release.ranking is None:
            return None
        low, high = self.release.scale
        return RankedModel(self.release.ranking, self.release.movies.keys, (float(low), float(high)))

    def _rated(self, axis: str, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        path = self._folder / f"{axis}.parquet"
        name = "tested_rows" if "tested_rows" in pl.read_parquet_schema(path) else "train_rows"
        rows = pl.read_parquet(path, columns=[name])[name].to_numpy()
        rated: NDArray[np.bool_] = (codes >= 0) & (rows[codes] > 0)
        return rated

    def was_trained_on(
        self, user_ids: Ids, movie_ids: Ids, ratings: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Which rows the tested weights were fitted on, or their best epoch was selected by.

        Args:
            user_ids: One id per row.
            movie_ids: One id per row.
            ratings: One rating per row; the hash of a split has a cutoff for each.

        Returns:
            Whether the release was trained on each row.
        """
        manifest = self.release.manifest
        split = manifest.published_split
        if manifest.need(split.settings.strategy, "split.settings.strategy") == "stratified":
            cutoffs = Cutoffs.from_json(manifest.need(split.cutoffs, "split.cutoffs"))
            seed = manifest.need(split.settings.seed, "split.settings.seed")
            seen = np.empty(len(user_ids), np.bool_)
            for chunk in row_chunks(len(user_ids)):
                hashes = pair_hash(user_ids[chunk], movie_ids[chunk], seed=seed)
                seen[chunk] = cutoffs.assign(hashes, ratings[chunk]) != TEST
            return seen
        return self._fitted_on(user_ids, movie_ids)

    def _fitted_on(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.bool_]:
        """Look the pairs up in the rows of the split, for splits that are not a function of the ids."""
        manifest = self.release.manifest
        digest = manifest.need(manifest.published_split.digest, "split.digest")
        try:
            folder = self._store.path(self._store.reference("splits", digest))
        except StoreError as error:
            raise StoreError(
                f"The rows that release {self.release.version} was trained on are in "
                f"{self._store.folder('splits', digest)}, which cannot be read, so no candidate can be compared "
                "with it. Restore that folder from a backup, or roll back to a release whose split exists."
            ) from error
        codes = {
            f"{axis}_code": IdMap(
                pl.read_parquet(folder / f"{axis}s.parquet")[f"{axis}_id"].to_numpy()
            ).encode(ids)
            for axis, ids in (("user", user_ids), ("movie", movie_ids))
        }
        asked = pl.DataFrame(codes).with_row_index("row")
        seen = np.zeros(len(user_ids), np.bool_)
        for subset in SUBSETS:
            if subset != "test":
                rows = pl.scan_parquet(folder / f"{subset}.parquet").select("user_code", "movie_code")
                found = asked.lazy().join(rows, on=["user_code", "movie_code"], how="semi").collect()
                seen[found["row"].to_numpy()] = True
        return seen
