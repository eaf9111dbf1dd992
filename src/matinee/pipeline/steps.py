"""The pipeline: the steps from rating files to a release, and the decisions between them. It does not know Prefect.

`retrain` runs all steps in this process. The tasks of a flow call the `plan_` functions one by one: they add retries,
a cache key and a page to each step, and decide nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matinee import evaluate, ingest, split, train
from matinee.errors import ConfigError, DivergenceError
from matinee.evaluate.compared_releases import find_anchor, find_champion
from matinee.evaluate.metrics_file import AnyMetrics, read_metrics
from matinee.formats.decision import DecisionFile
from matinee.monitor.progressive import ChampionScore, score_champion
from matinee.pipeline.inheritance import inherit_split
from matinee.publish import Publication, publish
from matinee.release.signature import check_publishing
from matinee.settings import Settings, SplitSettings
from matinee.split import encode
from matinee.store import Plan, Reference, Store
from matinee.store.documents import read_as
from matinee.store.paths import check_apart
from matinee.store.progress import Listener, silent
from matinee.train import ranking as ranking_step
from matinee.train.device_lock import in_turn

log = logging.getLogger("matinee.run")


@dataclass(frozen=True)
class Retrained:
    """The result of a run: the folder of each step, and the publication.

    Attributes:
        store: The store.
        dataset: The ingested ratings and titles.
        champion_score: The champion's error on ratings newer than itself.
        encoding: The codes of users and movies.
        split: The train, valid and test rows.
        candidate: The weights that were tested; None for plays, which train only the ranking model.
        ranking: The ranking model that was tested.
        evaluation: Metrics, plots and the gate's decision.
        publication: Whether the candidate was promoted, and why.

    Examples:
        >>> import matinee
        >>> run = matinee.retrain("sample/ratings.csv", "sample/movie_titles.csv", "store")
        >>> run.publication.promoted, run.release.name
        (True, 'v0001')
    """

    store: Store
    dataset: Reference
    champion_score: ChampionScore
    encoding: Reference
    split: Reference
    candidate: Reference | None
    ranking: Reference
    evaluation: Reference
    publication: Publication

    @property
    def release(self) -> Path | None:
        """The folder of the release, for `matinee.load`; None if the gate held the candidate."""
        return Path(self.publication.location) if self.publication.location else None

    @property
    def metrics(self) -> AnyMetrics:
        """The figures of the evaluation that decided, as in metrics.json; PlayMetrics for plays."""
        return read_metrics(self.store.folder("evaluations", self.publication.evaluation))


def retrain(
    ratings: str | Path | Sequence[str | Path],
    titles: str | Path | None,
    store: str | Path,
    *,
    test: Sequence[str | Path] = (),
    settings: Settings | None = None,
    listener: Listener = silent,
) -> Retrained:
    """Ingest, encode, split, train, evaluate, and publish a release if it passes the gate.

    Finished steps are skipped, so the same call resumes after a failure and computes nothing twice.

    Args:
        ratings: A rating file, a folder or a glob, or several of them.
        titles: The title file; None for a release without titles.
        store: The folder where everything is kept; it is created if absent.
        test: Files of test rows, for `split.strategy=given`; without them test rows are drawn.
        settings: How to read, split, train and judge; the defaults if None. `matinee.settings.parse.read_settings`
            makes them from presets, files and `NAME=VALUE` texts.
        listener: Called with the progress of the fit, several times per second.

    Returns:
        The folders that the run made or found, and the publication.

    Raises:
        ConfigError: A setting or a path is wrong.
        DataError: The input is refused.
        StoreError: The store cannot be read or written.

    Examples:
        >>> import matinee
        >>> run = matinee.retrain("sample/ratings.csv", "sample/movie_titles.csv", "store")
        >>> run.publication.promoted
        True
        >>> run.metrics.rmse < run.metrics.bias_only_rmse
        True
        >>> release = matinee.load(run.release)
    """
    sources = [ratings] if isinstance(ratings, str | Path) else ratings
    if settings is not None and not isinstance(settings, Settings):  # of a program without type checks
        raise ConfigError(
            f"The settings of `retrain` are a {type(settings).__name__}; expected a Settings, as "
            "matinee.settings.parse.read_settings(assignments=['train.refit=all']) makes it."
        )
    chosen = (settings or Settings()).for_test_files([str(path) for path in test])
    chosen.check()
    check_apart(store, sources=[*sources, *([] if titles is None else [titles]), *test])
    check_publishing()  # before hours of training
    opened = Store.open(Path(store))
    with opened.in_use():  # prune keeps what this run takes and makes
        dataset = opened.ensure(_plan_ingest(opened, sources, titles, test, settings=chosen))
        champion_score = score_champion(opened, dataset)
        encoding = opened.ensure(encode.plan(opened, dataset))
        rows_split = opened.ensure(plan_split(opened, dataset, encoding, settings=chosen.split))
        candidate = (
            None
            if chosen.ingest.feedback == "implicit"
            else opened.ensure(plan_training(opened, rows_split, settings=chosen, listener=listener))
        )
        ranking = opened.ensure(plan_ranking(opened, rows_split, settings=chosen, listener=listener))
        evaluation = opened.ensure(plan_evaluation(opened, rows_split, candidate, ranking, settings=chosen))
        shipped = candidate and _refit(opened, candidate, evaluation, settings=chosen, listener=listener)
        publication = publish(
            opened,
            dataset=dataset,
            split=rows_split,
            candidate=candidate,
            shipped=shipped,
            ranking=ranking,
            shipped_ranking=_refit_ranking(opened, ranking, evaluation, settings=chosen, listener=listener),
            evaluation=evaluation,
            settings=chosen,
        )
    return Retrained(
        opened, dataset, champion_score, encoding, rows_split, candidate, ranking, evaluation, publication
    )


def _plan_ingest(
    store: Store,
    ratings: Sequence[str | Path],
    titles: str | Path | None,
    test: Sequence[str | Path],
    *,
    settings: Settings,
) -> Plan:
    return ingest.plan(
        store,
        ratings=[Path(path) for path in ratings],
        titles=Path(titles) if titles is not None else None,
        test=[Path(path) for path in test],
        settings=settings.ingest,
    )


def plan_split(store: Store, dataset: Reference, encoding: Reference, *, settings: SplitSettings) -> Plan:
    """The split of a dataset; rows of the champion's split stay in their subset."""
    return split.plan(store, dataset, encoding, settings=settings, inherited=inherit_split(store, dataset))


def plan_training(store: Store, split: Reference, *, settings: Settings, listener: Listener = silent) -> Plan:
    """The candidate of a split; its fit waits while another training of this user runs on its device."""
    plan = train.plan(store, split, settings=settings, listener=listener)
    return in_turn(plan, settings.train.device)


def plan_ranking(store: Store, split: Reference, *, settings: Settings, listener: Listener = silent) -> Plan:
    """The ranking model of a split; its fit waits as that of the candidate does."""
    plan = ranking_step.plan(store, split, settings=settings, listener=listener)
    return in_turn(plan, settings.train.device)


def plan_evaluation(
    store: Store, split: Reference, candidate: Reference | None, ranking: Reference, *, settings: Settings
) -> Plan:
    """The evaluation of a candidate and its ranking model, against the champion and the anchor of this moment.

    For plays, `candidate` is None: the ranking model is the candidate.
    """
    return evaluate.plan(
        store,
        candidate=candidate,
        ranking=ranking,
        split=split,
        champion=find_champion(store, candidate, ranking),
        anchor=find_anchor(store, candidate, ranking),
        settings=settings,
    )


def plan_refit(
    store: Store,
    candidate: Reference,
    evaluation: Reference,
    *,
    settings: Settings,
    listener: Listener = silent,
) -> Plan | None:
    """The refit on every row; None unless `train.refit=all` asks for it and the gate has passed the candidate."""
    if not _is_refitted(store, evaluation, settings):
        return None
    return in_turn(train.plan_refit_all(store, candidate, listener=listener), settings.train.device)


def plan_ranking_refit(
    store: Store,
    ranking: Reference,
    evaluation: Reference,
    *,
    settings: Settings,
    listener: Listener = silent,
) -> Plan | None:
    """The ranking model fitted on every row, where `plan_refit` gives a refit; None otherwise."""
    if not _is_refitted(store, evaluation, settings):
        return None
    return in_turn(ranking_step.plan_refit_all(store, ranking, listener=listener), settings.train.device)


def _is_refitted(store: Store, evaluation: Reference, settings: Settings) -> bool:
    promoted = read_as(store.path(evaluation) / DecisionFile.NAME, DecisionFile).promoted
    return settings.train.refit == "all" and promoted


def _refit(
    store: Store, candidate: Reference, evaluation: Reference, *, settings: Settings, listener: Listener
) -> Reference:
    """The weights to publish: the refit, or the tested weights if no refit is configured or it diverges."""
    plan = plan_refit(store, candidate, evaluation, settings=settings, listener=listener)
    if plan is None:
        return candidate
    try:
        return store.ensure(plan)
    except DivergenceError as error:
        log.warning("The tested weights are published, not the refit: %s", error)
        return candidate


def _refit_ranking(
    store: Store, ranking: Reference, evaluation: Reference, *, settings: Settings, listener: Listener
) -> Reference:
    """The ranking model to publish: the refit, or the tested one if no refit is configured."""
    plan = plan_ranking_refit(store, ranking, evaluation, settings=settings, listener=listener)
    return ranking if plan is None else store.ensure(plan)
