"""One evaluation of plays from end to end: the figures of lists, the gate's decision, and lists of ten users.

As `matinee.evaluate.step`, where there are ratings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.evaluate.candidate_lists import CandidateLists
from matinee.evaluate.catalog import Catalog, measure_ranking
from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.drift import Drift
from matinee.evaluate.example_lists import Library, make_examples
from matinee.evaluate.inputs import measure_drift, read_fitted, read_test
from matinee.evaluate.leakage import measure_leakage
from matinee.evaluate.metrics import DatedRatings, count_clusters
from matinee.evaluate.paired_lists import PairedLists, RankedModel
from matinee.evaluate.play_gate import decide_on_plays
from matinee.evaluate.recent import count_recent_of
from matinee.formats.decision import DecisionFile, JudgedRows
from matinee.formats.example_lists import ExampleLists
from matinee.formats.manifests import RankingManifest, SplitManifest
from matinee.formats.metrics import Ranking
from matinee.formats.play_metrics import PlayMetrics, PlayTemporalHoldout
from matinee.release.ranking_model import RANKING, RankingModel, load_model
from matinee.settings import Settings
from matinee.store import progress
from matinee.store.documents import MANIFEST, read_as
from matinee.store.files import write_json
from matinee.store.ratings import count_codes


@dataclass(frozen=True)
class _Inputs:
    """The rows of a split, and what stands behind their codes."""

    split: Path
    manifest: SplitManifest
    subsets: list[str]  # that the tested model was fitted on
    train: DatedRatings
    valid: DatedRatings
    fitted: DatedRatings
    test: DatedRatings
    users: pl.DataFrame
    movies: pl.DataFrame

    @classmethod
    def read(cls, split: Path, subsets: list[str]) -> "_Inputs":
        train, valid, fitted = read_fitted(split, refit="valid" in subsets)
        users, movies = (pl.read_parquet(split / f"{table}.parquet") for table in ("users", "movies"))
        manifest = read_as(split / MANIFEST, SplitManifest)
        return cls(split, manifest, subsets, train, valid, fitted, read_test(split), users, movies)

    @property
    def scale(self) -> tuple[float, float]:
        low, high = self.manifest.scale
        return low, high

    @cached_property
    def catalog(self) -> Catalog:
        sizes = self.users.height, self.movies.height
        return Catalog.of(self.fitted, rating_model=None, sizes=sizes, scale=self.scale)

    def drift(self, champion: ComparedModel | None) -> Drift | None:
        return measure_drift(
            self.manifest, (self.train, self.valid, self.test), (self.users, self.movies), champion
        )

    def unseen(self, other: ComparedModel) -> NDArray[np.bool_]:
        """Which test rows another model was not trained on."""
        ids = (
            self.users["user_id"].to_numpy()[self.test.users],
            self.movies["movie_id"].to_numpy()[self.test.movies],
        )
        return ~other.was_trained_on(*ids, self.test.ratings)


def write_play_evaluation(
    folder: Path,
    *,
    ranking: Path,
    split: Path,
    temporal_holdout: Callable[[], Path | None],
    champion: ComparedModel | None,
    anchor: ComparedModel | None,
    settings: Settings,
) -> tuple[PlayMetrics, DecisionFile]:
    """Fill an evaluation's folder and return what was measured and decided.

    Raises StoreError if the ranking model or the split is corrupt.
    """
    inputs = _Inputs.read(split, read_as(ranking / MANIFEST, RankingManifest).subsets)
    model = load_model(ranking / RANKING)
    lists = measure_ranking(
        inputs.catalog,
        model,
        inputs.fitted,
        inputs.test,
        users=settings.evaluate.ranking_users,
        recent=count_recent_of(split, inputs.subsets, movies=inputs.movies.height),
    )
    file = _decide(inputs, model, lists, champion=champion, anchor=anchor, settings=settings)
    write_json(folder / DecisionFile.NAME, file)
    library = Library(inputs.users, inputs.movies, inputs.scale, inputs.catalog.relevant_from)
    write_json(folder / ExampleLists.NAME, make_examples(model, inputs.fitted, inputs.test, library))
    progress.begin("temporal holdout")
    metrics = _measure(inputs, lists, temporal_holdout())
    write_json(folder / PlayMetrics.NAME, metrics)
    return metrics, file


def _measure(inputs: _Inputs, lists: Ranking, temporal_holdout: Path | None) -> PlayMetrics:
    test = inputs.test
    met_users, met_movies = (
        count_codes(codes, table.height) > 0
        for codes, table in ((inputs.fitted.users, inputs.users), (inputs.fitted.movies, inputs.movies))
    )
    return PlayMetrics(
        ndcg_at_10=lists.recommend.ndcg_at_10,
        recall_at_10=lists.recommend.recall_at_10,
        popularity_ndcg_at_10=lists.popularity.ndcg_at_10,
        rows=len(test),
        users=count_clusters(test.users),
        movies=count_clusters(test.movies),
        rows_of_unknown_users=int(np.count_nonzero(~met_users[test.users])),
        rows_of_unknown_movies=int(np.count_nonzero(~met_movies[test.movies])),
        ranking=lists,
        temporal=read_as(temporal_holdout / PlayTemporalHoldout.NAME, PlayTemporalHoldout).temporal
        if temporal_holdout
        else None,
        hindsight=measure_leakage(inputs.split, inputs.subsets, test),
    )


def _decide(
    inputs: _Inputs,
    model: RankingModel,
    lists: Ranking,
    *,
    champion: ComparedModel | None,
    anchor: ComparedModel | None,
    settings: Settings,
) -> DecisionFile:
    ours = CandidateLists(
        model=RankedModel(model, inputs.movies["movie_id"].to_numpy(), inputs.scale),
        fitted=inputs.fitted,
        test=inputs.test,
        users=inputs.users.height,
        relevant_from=inputs.catalog.relevant_from,
        most_users=settings.evaluate.ranking_users,
    )
    unseen = inputs.unseen(champion) if champion else None
    paired = ours.against(champion, unseen) if champion and unseen is not None else None
    drift = inputs.drift(champion)
    decision = decide_on_plays(
        lists,
        settings=settings.gate,
        unseen=None if unseen is None else int(unseen.sum()),
        champion=paired,
        anchor=_against_anchor(inputs, ours, champion, anchor, paired) if settings.gate.decay else None,
        drift=drift,
    )
    return DecisionFile(
        promoted=decision.promoted,
        reason=decision.reason,
        champion=champion.version if champion else None,
        anchor=anchor.version if anchor else None,
        becomes_anchor=decision.becomes_anchor,
        drifts=drift.remembered if drift else [],
        rows=JudgedRows(test=len(inputs.test), compared=0 if unseen is None else int(unseen.sum())),
        rules=list(decision.rules),
    )


def _against_anchor(
    inputs: _Inputs,
    ours: CandidateLists,
    champion: ComparedModel | None,
    anchor: ComparedModel | None,
    paired: PairedLists | None,
) -> PairedLists | None:
    """The lists of candidate and anchor; those of the champion if it is the anchor."""
    if anchor is None or (champion is not None and champion.digest == anchor.digest):
        return paired if anchor else None
    return ours.against(anchor, inputs.unseen(anchor))
