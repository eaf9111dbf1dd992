"""A release that a candidate is judged against, with the weights that its own figures were measured with."""

from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.errors import StoreError
from matinee.evaluate.drift import Portrait, Tally
from matinee.release import Release, load
from matinee.release.idmap import IdMap
from matinee.release.manifest import need
from matinee.split.hash_split import SUBSETS, TEST, Cutoffs, pair_hash
from matinee.store import Store
from matinee.store.ratings import count_codes, row_chunks

Ids = NDArray[np.int64]


class Opponent:
    """A release, loaded only once it has to answer."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    @cached_property
    def release(self) -> Release:
        """The release with its tested weights."""
        return load(self._folder, tested=True)

    def predict(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.float32]:
        """Its ratings of pairs, within its scale."""
        return self.release.predict(user_ids, movie_ids)

    def knows(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.bool_]:
        """For which pairs it had training rows of both the user and the movie."""
        users, movies = self.release.users.encode(user_ids), self.release.movies.encode(movie_ids)
        known: NDArray[np.bool_] = self._rated("users", users) & self._rated("movies", movies)
        return known

    def portrait(self) -> Portrait | None:
        """What the whole of its data looks like; None of a release that was published without it."""
        data = self.release.manifest.get("data")
        if data is None:
            return None
        shelf = self.release.shelf
        rows = np.diff(shelf.seen_offsets), count_codes(shelf.seen_movies, len(self.release.movies))
        return Portrait(
            ratings={float(rating): count for rating, count in data["rows_per_rating"].items()},
            users=Tally.of(self.release.users.ids, rows[0]),
            movies=Tally.of(self.release.movies.ids, rows[1]),
            past=tuple(data["drifts"]),
        )

    def _rated(self, side: str, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        rows = pl.read_parquet(self._folder / f"{side}.parquet", columns=["train_rows"])[
            "train_rows"
        ].to_numpy()
        rated: NDArray[np.bool_] = (codes >= 0) & (rows[codes] > 0)
        return rated

    def saw(self, user_ids: Ids, movie_ids: Ids, ratings: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which rows its tested weights, or the choice of their best epoch, were fitted on."""
        manifest = self.release.manifest
        if need(manifest, "split", "settings", "strategy") == "stratified":
            cutoffs = Cutoffs.from_json(need(manifest, "split", "cutoffs"))
            seed, seen = need(manifest, "split", "settings", "seed"), np.empty(len(user_ids), np.bool_)
            for part in row_chunks(len(user_ids)):
                hashes = pair_hash(user_ids[part], movie_ids[part], seed=seed)
                seen[part] = cutoffs.assign(hashes, ratings[part]) != TEST
            return seen
        return self._fitted_on(user_ids, movie_ids)

    def _fitted_on(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.bool_]:
        """Looked up in the rows themselves, by their own codes, for splits that are not a function of the ids."""
        digest = need(self.release.manifest, "split", "digest")
        try:
            folder = self._store.path(self._store.reference("splits", digest))
        except StoreError as error:
            raise StoreError(
                f"The rows that release {self.release.version} was trained on are in "
                f"{self._store.folder('splits', digest)}, which can't be read, so nothing can be judged against it. "
                "Restore that folder from a backup, or roll back to a release whose split is there."
            ) from error
        codes = {
            f"{side}_code": IdMap(
                pl.read_parquet(folder / f"{side}s.parquet")[f"{side}_id"].to_numpy()
            ).encode(ids)
            for side, ids in (("user", user_ids), ("movie", movie_ids))
        }
        asked = pl.DataFrame(codes).with_row_index("row")
        seen = np.zeros(len(user_ids), np.bool_)
        for part in SUBSETS:
            if part != "test":
                rows = pl.scan_parquet(folder / f"{part}.parquet").select("user_code", "movie_code")
                found = asked.lazy().join(rows, on=["user_code", "movie_code"], how="semi").collect()
                seen[found["row"].to_numpy()] = True
        return seen
