"""What the log of a run says about the result of each step; what a step starts to do is in flows/step_runner.py."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from matinee.evaluate.tables import is_sampled
from matinee.formats.dataset import Profile, rows_in_words
from matinee.formats.decision import DecisionFile
from matinee.formats.manifests import (
    CandidateManifest,
    DatasetManifest,
    EncodingManifest,
    RankingManifest,
    SplitManifest,
)
from matinee.formats.metrics import Metrics
from matinee.formats.play_metrics import PlayMetrics
from matinee.formats.steps import Step
from matinee.monitor.progressive import ChampionScore
from matinee.publish import Publication
from matinee.recommend import Recommended
from matinee.store import Reference, Store
from matinee.store.documents import read_as
from matinee.store.metrics_file import read_metrics


def describe(
    step: Step, store: Store, made: Reference | Publication | Recommended | ChampionScore
) -> list[str]:
    """Log lines for the result of a step, from its folder in the store."""
    return _DESCRIBERS[step](store, made)


def _ingest(store: Store, made: Reference) -> list[str]:
    manifest = store.read(DatasetManifest, made.digest)
    profile = read_as(store.path(made) / Profile.NAME, Profile)
    low, high = manifest.scale
    what = "plays" if manifest.feedback == "implicit" else f"ratings from {low:g} to {high:g}"
    lines = [
        f"rows: {rows_in_words(manifest.row_counts)}",
        f"{profile.users:,} users, {profile.movies:,} movies, {profile.percentage_filled:.2f}% of the full "
        f"matrix, {what}",
    ]
    if manifest.rejects:
        most = sorted(manifest.rejects.items(), key=lambda item: -item[1])[:3]
        lines.append("most rejects: " + ", ".join(f"{rows:,} {code}" for code, rows in most))
    return [*lines, *manifest.warnings[:3]]


def _encode(store: Store, made: Reference) -> list[str]:
    manifest = store.read(EncodingManifest, made.digest)
    return [f"codes for {manifest.users:,} users and {manifest.movies:,} movies"]


def _split(store: Store, made: Reference) -> list[str]:
    manifest = store.read(SplitManifest, made.digest)
    parts = ", ".join(f"{rows:,} {part}" for part, rows in manifest.counts.items())
    how: str = manifest.strategy
    if manifest.inherited:
        how = (
            "rows stay in their part of the champion's split"
            if how == "stratified"
            else f"{how}; rows stay in their part of the champion's split"
        )
    if manifest.days:
        how += f": valid rows from {manifest.days.valid_from}, test rows from {manifest.days.test_from}"
    return [f"{parts} rows ({how})"]


def _train(store: Store, made: Reference) -> list[str]:
    manifest = store.read(CandidateManifest, made.digest)
    valid = "" if manifest.valid_rmse is None else f", valid RMSE {manifest.valid_rmse:.4f}"
    if is_sampled(manifest):
        fit = f"the mean of the draws of {manifest.epochs_run} sweeps"
    else:
        fit = f"epoch {manifest.best_epoch} of {manifest.epochs_run} was the best"
    return [
        f"{manifest.model} on {manifest.device}: {fit}{valid}; the fit on {manifest.rows:,} rows took "
        f"{manifest.seconds_train:.1f} s"
    ]


def _rank(store: Store, made: Reference) -> list[str]:
    manifest = store.read(RankingManifest, made.digest)
    return [
        f"{manifest.embedding_size} numbers per movie; the fit on {manifest.rows:,} rows took "
        f"{manifest.seconds_rank:.1f} s"
    ]


def _evaluate(store: Store, made: Reference) -> list[str]:
    metrics = read_metrics(store.path(made))
    reason = read_as(store.path(made) / DecisionFile.NAME, DecisionFile).reason
    lists = (
        f"lists: nDCG@10 {metrics.ranking.recommend.ndcg_at_10:.4f}, popularity "
        f"{metrics.ranking.popularity.ndcg_at_10:.4f}"
    )
    if not isinstance(metrics, Metrics):
        return [lists, *_play_warnings(metrics), reason]
    interval = metrics.intervals.rmse
    warning = [metrics.hindsight.says] if metrics.hindsight and metrics.hindsight.anyone else []
    if found := metrics.temporal:
        at_random = found.at_random
        warning.append(
            f"temporal holdout: a quick model, fitted on older ratings, has an RMSE of {found.rmse:.4f} on those from "
            f"{found.cut} on (bias-only {found.bias_only_rmse:.4f}); on as many random ones {at_random.rmse:.4f} "
            f"({at_random.bias_only_rmse:.4f})"
        )
    return [
        f"test RMSE {metrics.rmse:.4f} ({interval.low:.4f} to {interval.high:.4f}), bias-only "
        f"{metrics.bias_only_rmse:.4f}, global mean {metrics.global_mean_rmse:.4f}",
        lists,
        *warning,
        reason,
    ]


def _play_warnings(metrics: PlayMetrics) -> Iterator[str]:
    if metrics.hindsight and metrics.hindsight.anyone:
        yield metrics.hindsight.says
    if metrics.temporal and metrics.temporal.lists:
        lists = metrics.temporal.lists
        yield (
            f"temporal holdout: nDCG@10 {lists.ndcg_at_10:.4f} from {metrics.temporal.cut} on, popularity "
            f"{lists.popularity_ndcg_at_10:.4f}, recent popularity {lists.recent_popularity_ndcg_at_10:.4f}"
        )


def _refit(store: Store, made: Reference) -> list[str]:
    return [f"weights: {made.location}, fitted on {made.rows:,} rows"]


def _publish(store: Store, made: Publication) -> list[str]:
    if made.release is None:
        return ["nothing was published: the gate held the candidate"]
    return [f"{made.release} is the champion, in {made.location}"]


def _recommend(store: Store, made: Recommended) -> list[str]:
    return [f"{made.rows:,} list entries for {made.users:,} users, made by {made.release}: {made.out}"]


def _progressive(store: Store, made: ChampionScore) -> list[str]:
    return [made.says]


_DESCRIBERS: Final[Mapping[Step, Callable[[Store, Any], list[str]]]] = {
    Step.INGEST: _ingest,
    Step.PROGRESSIVE: _progressive,
    Step.ENCODE: _encode,
    Step.SPLIT: _split,
    Step.TRAIN: _train,
    Step.RANK: _rank,
    Step.EVALUATE: _evaluate,
    Step.REFIT: _refit,
    Step.REFIT_RANKING: _refit,
    Step.PUBLISH: _publish,
    Step.RECOMMEND: _recommend,
}
