"""The steps of the pipeline as plans, with the decisions between them. They do not know Prefect.

`matinee.pipeline.chain` has their order. The tasks of a flow call them one by one: they add retries, a
cache key and a page to each step, and decide nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from matinee import evaluate, ingest, split, train
from matinee.evaluate.champion_and_anchor import find_champion_and_anchor
from matinee.evaluate.tested import Models, Tested
from matinee.formats.decision import DecisionFile
from matinee.pipeline.inheritance import inherit_split
from matinee.settings import Settings, SplitSettings
from matinee.settings.ingest import IngestSettings
from matinee.store import Plan, Reference, Store
from matinee.store.documents import read_as
from matinee.store.progress import Listener, silent
from matinee.train import ranking as ranking_step
from matinee.train.device_lock import in_turn


def plan_ingest(
    store: Store,
    ratings: Sequence[str | Path],
    titles: str | Path | None,
    *,
    test: Sequence[str | Path],
    settings: IngestSettings,
) -> Plan:
    """The dataset of rating files, folders or globs, a titles file, and files of test rows.

    Args:
        store: The store.
        ratings: Rating files, folders or globs.
        titles: The titles file; None for a dataset without titles.
        test: Files of test rows, for `split.strategy=given`.
        settings: How to read the files.

    Returns:
        The plan of the dataset's folder. Making it raises DataError if the content of a file is refused.

    Raises:
        ConfigError: A path does not exist or is inside the store.
        DataError: A folder holds no rating file.
    """
    return ingest.plan(
        store,
        ratings=[Path(path) for path in ratings],
        titles=Path(titles) if titles is not None else None,
        test=[Path(path) for path in test],
        settings=settings,
    )


def plan_split(store: Store, dataset: Reference, encoding: Reference, *, settings: SplitSettings) -> Plan:
    """The split of a dataset; rows of the champion's split stay in their subset.

    Args:
        store: The store.
        dataset: The dataset.
        encoding: Its encoding.
        settings: How to split.

    Returns:
        The plan of the split's folder.

    Raises:
        ReleaseError: The champion's manifest cannot be read, or does not describe its split.
    """
    return split.plan(store, dataset, encoding, settings=settings, inherited=inherit_split(store, dataset))


def plan_training(store: Store, split: Reference, *, settings: Settings, listener: Listener = silent) -> Plan:
    """The candidate of a split; its fit waits while another training of this user runs on its device.

    Args:
        store: The store.
        split: The split to fit on.
        settings: Model, training and device.
        listener: Called with the progress of the fit; what it raises stops the fit.

    Returns:
        The plan of the candidate's folder.

    Raises:
        ConfigError: `train.device` is not available.
    """
    plan = train.plan(store, split, settings=settings, listener=listener)
    return in_turn(plan, settings.train.device)


def plan_ranking(store: Store, split: Reference, *, settings: Settings, listener: Listener = silent) -> Plan:
    """The ranking model of a split; its fit waits as that of the candidate does.

    Args:
        store: The store.
        split: The split to fit on.
        settings: `rank`, and of `train` the device, the threads and `refit`.
        listener: Called with the progress of the fit; what it raises stops the fit.

    Returns:
        The plan of the ranking model's folder.

    Raises:
        ConfigError: `train.device` is not available.
    """
    plan = ranking_step.plan(store, split, settings=settings, listener=listener)
    return in_turn(plan, settings.train.device)


def plan_evaluation(store: Store, split: Reference, models: Models, *, settings: Settings) -> Plan:
    """The evaluation of models on their split, against the champion and the anchor of this moment.

    Args:
        store: The store.
        split: The split that the models were fitted on.
        models: The candidate and its ranking model.
        settings: All settings; the gate's decide.

    Returns:
        The plan of the evaluation's folder.

    Raises:
        ReleaseError: The champion's manifest cannot be read.
    """
    champion, anchor = find_champion_and_anchor(store, models)
    return evaluate.plan(store, models, split=split, champion=champion, anchor=anchor, settings=settings)


def plan_refit(
    store: Store, tested: Tested, *, settings: Settings, listener: Listener = silent
) -> Plan | None:
    """The refit of the candidate on every row, with `train.refit=all`, if it passed the gate.

    Args:
        store: The store.
        tested: The models and their evaluation.
        settings: `train.refit` and the device.
        listener: Called with the progress of the fit; what it raises stops the fit.

    Returns:
        The plan of the refit's folder; None if there is nothing to refit.
    """
    candidate = tested.models.candidate
    if candidate is None or not _is_refitted(store, tested, settings):
        return None
    ranks = settings.train.ranks
    plan = train.plan_refit_all(store, candidate, ranks=ranks, listener=listener)
    return in_turn(plan, settings.train.device)


def plan_ranking_refit(
    store: Store, tested: Tested, *, settings: Settings, listener: Listener = silent
) -> Plan | None:
    """The refit of the ranking model on every row, under the conditions of `plan_refit`.

    Args:
        store: The store.
        tested: The models and their evaluation.
        settings: `train.refit`, the threads and the device.
        listener: Called with the progress of the fit; what it raises stops the fit.

    Returns:
        The plan of the refit's folder; None if there is nothing to refit.
    """
    if not _is_refitted(store, tested, settings):
        return None
    ranking = tested.models.required_ranking
    threads, device = settings.train.threads, settings.train.device
    plan = ranking_step.plan_refit_all(store, ranking, threads=threads, device=device, listener=listener)
    return in_turn(plan, device)


def _is_refitted(store: Store, tested: Tested, settings: Settings) -> bool:
    promoted = read_as(store.path(tested.evaluation) / DecisionFile.NAME, DecisionFile).promoted
    return settings.train.refit == "all" and promoted
