"""Whom a candidate is judged against: the champion, with the weights that its own figures were measured with."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.evaluate.gate import Champion
from matinee.registry import Registry
from matinee.release import Release, load, read_manifest
from matinee.split import PARTS
from matinee.store import Reference, Store
from matinee.stratify import TEST, Cutoffs, pair_hash

Ids = NDArray[np.int64]


def find_opponent(store: Store, candidate: Reference) -> Champion | None:
    """The champion, or None before there is one.

    A candidate that is the champion already is not judged against itself but against the one it replaced, so that
    an identical run finds its evaluation done.
    """
    registry = Registry.open(store.root)
    version = registry.champion()
    if version is not None:
        manifest = read_manifest(registry.folder(version))
        if manifest["candidate"] == candidate.digest:
            version = manifest["judged_against"]
    if version is None:
        return None
    opponent = Opponent(store, registry.folder(version))
    # The version is part of the digest: it is never given twice, and it is all that is left of a pruned release.
    return Champion(
        version=version, digest=version, predict=opponent.predict, saw=opponent.saw, knows=opponent.knows
    )


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

    def _rated(self, side: str, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        rows = pl.read_parquet(self._folder / f"{side}.parquet", columns=["train_rows"])[
            "train_rows"
        ].to_numpy()
        rated: NDArray[np.bool_] = (codes >= 0) & (rows[codes] > 0)
        return rated

    def saw(self, user_ids: Ids, movie_ids: Ids, ratings: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which rows its tested weights, or the choice of their best epoch, were fitted on."""
        split: dict[str, Any] = self.release.manifest["split"]
        if split["settings"]["strategy"] == "stratified":
            hashes = pair_hash(user_ids, movie_ids, seed=split["settings"]["seed"])
            sides = Cutoffs.from_json(split["cutoffs"]).sides(hashes, ratings)
            return np.not_equal(sides, TEST)
        return self._fitted_on(user_ids, movie_ids)

    def _fitted_on(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.bool_]:
        """Looked up in the rows themselves, for splits that are not a function of the ids."""
        folder = self._store.path(self._store.reference("splits", self.release.manifest["split"]["digest"]))
        asked = pl.DataFrame(
            {
                "user_code": self.release.users.encode(user_ids),
                "movie_code": self.release.movies.encode(movie_ids),
            }
        ).with_row_index("row")
        seen = np.zeros(len(user_ids), np.bool_)
        for part in PARTS:
            if part != "test":
                rows = pl.scan_parquet(folder / f"{part}.parquet").select("user_code", "movie_code")
                found = asked.lazy().join(rows, on=["user_code", "movie_code"], how="semi").collect()
                seen[found["row"].to_numpy()] = True
        return seen
