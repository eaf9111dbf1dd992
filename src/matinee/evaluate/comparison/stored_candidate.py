"""A candidate of the store as a model to compare, by the same functions as `matinee.evaluate.released_model`."""

from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.evaluate.paired_lists import RankedModel
from matinee.formats.manifests import (
    CandidateManifest,
    DatasetManifest,
    EvaluationManifest,
    RankingManifest,
    SplitManifest,
)
from matinee.release.arrays import Ids
from matinee.release.idmap import IdMap
from matinee.release.liking import liked_from
from matinee.release.ranking_model import RANKING, load_model
from matinee.release.release import WEIGHTS
from matinee.release.scoring import predict
from matinee.release.weights import read_weights
from matinee.split.fitted_rows import count_fitted_rows
from matinee.store import Store


class StoredCandidate:
    """The tested models of an evaluation, which are read on first use.

    Args:
        store: The store.
        judged: The evaluation.

    Raises:
        StoreError: The candidate or its split is no longer in the store.
    """

    def __init__(self, store: Store, judged: EvaluationManifest) -> None:
        self._store, self._judged = store, judged
        self.split = store.read(SplitManifest, judged.split)
        plays = judged.candidate == judged.ranking
        self.candidate = None if plays else store.read(CandidateManifest, judged.candidate)
        self._ranking = store.read(RankingManifest, judged.ranking) if judged.ranking else None

    @property
    def fitted_on(self) -> list[str]:
        """The subsets of the split that the models were fitted on."""
        if self.candidate is not None:
            return self.candidate.fitted_on
        return self._ranking.subsets if self._ranking else []

    @property
    def rows_fitted(self) -> int:
        """Rows that they were fitted on."""
        return sum(self.split.counts[subset] for subset in self.fitted_on)

    @property
    def ids(self) -> tuple[str, str]:
        """The kinds of the ids of users and movies."""
        kinds = self._store.read(DatasetManifest, self.split.dataset).ids
        return kinds.get("user_id", "integer"), kinds.get("movie_id", "integer")

    def predict(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.float32]:
        """Predicted ratings of pairs, within the scale."""
        assert self.candidate is not None  # nosec B101 # for mypy: a model of plays is not asked
        weights = read_weights(self._store.folder("candidates", self.candidate.digest) / WEIGHTS)
        codes = self._maps["user"].encode(user_ids), self._maps["movie"].encode(movie_ids)
        raw = predict(weights, *codes, model=self.candidate.model)
        low, high = self.split.scale
        predicted: NDArray[np.float32] = np.clip(raw, low, high).astype(np.float32)
        return predicted

    def was_trained_on(
        self, user_ids: Ids, movie_ids: Ids, ratings: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Which pairs are train or valid rows of its split."""
        asked = pl.DataFrame(
            {
                "user_code": self._maps["user"].encode(user_ids),
                "movie_code": self._maps["movie"].encode(movie_ids),
            }
        ).with_row_index("row")
        files = [
            self._store.folder("splits", self.split.digest) / f"{name}.parquet" for name in ("train", "valid")
        ]
        rows = pl.scan_parquet(files).select("user_code", "movie_code")
        found = asked.lazy().join(rows, on=["user_code", "movie_code"], how="semi").collect()
        seen = np.zeros(len(ratings), np.bool_)
        seen[found["row"].to_numpy()] = True
        return seen

    def knows_ids(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.bool_]:
        """Which pairs have a user and a movie that both have rows that the weights were fitted on."""
        low, high = self.split.scale
        folder = self._store.folder("splits", self.split.digest)
        fitted = count_fitted_rows(folder, self.fitted_on, liked_from=liked_from((low, high)))
        known = np.ones(len(user_ids), np.bool_)
        for axis, ids, rows in (("user", user_ids, fitted.users), ("movie", movie_ids, fitted.movies)):
            codes = self._maps[axis].encode(ids)
            known &= (codes >= 0) & (rows[codes] > 0)
        return known

    def lists(self) -> RankedModel | None:
        """Its ranking model; None for a candidate of an earlier version."""
        if self._ranking is None:
            return None
        low, high = self.split.scale
        model = load_model(self._store.folder("rankings", self._ranking.digest) / RANKING)
        return RankedModel(model, self._maps["movie"].keys, (low, high))

    @cached_property
    def _maps(self) -> dict[str, IdMap]:
        folder = self._store.folder("splits", self.split.digest)
        return {
            axis: IdMap(pl.read_parquet(folder / f"{axis}s.parquet")[f"{axis}_id"].to_numpy())
            for axis in ("user", "movie")
        }
