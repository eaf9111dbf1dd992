"""A fit on the processes that torchrun started, on one host or several. `retrain` then finds the candidate finished."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matinee.errors import ConfigError
from matinee.formats.manifests import CandidateManifest
from matinee.pipeline.chain import Chain, making_missing
from matinee.settings import Settings
from matinee.store import Reference, Store
from matinee.store.progress import Listener
from matinee.train import plan_of
from matinee.train.device_lock import in_turn
from matinee.train.ranks.group import Ranks


def train_on_ranks(
    store: Path,
    ratings: Sequence[str],
    titles: str,
    *,
    test: Sequence[str],
    settings: Settings,
    listener: Listener,
) -> Reference | None:
    """Make the candidate of some sources; the first process ingests and splits them, and writes it.

    The fit waits while another training runs on the host of the first process. Other hosts do not wait: two fits on the
    same hosts would each wait for the other.

    Args:
        store: The store, which all hosts see under this path.
        ratings: Rating files, folders or globs.
        titles: The titles file.
        test: Files of test rows.
        settings: All settings; the number of ranks is that of torchrun's processes, which all call this function.
        listener: Called with the progress of the fit, in the first process.

    Returns:
        The candidate, in the first process.

    Raises:
        ConfigError: The settings, or sources without ratings, do not allow several ranks.
    """
    if settings.ingest.feedback == "implicit":
        raise ConfigError(
            "Plays train the ranking model alone, which runs in one process. Run `matinee retrain`."
        )
    from matinee.train.ranks.gloo import GlooRanks  # noqa: PLC0415 - torch takes seconds to import

    ranks = GlooRanks()
    made = _train(store, ratings, titles, test=test, settings=settings, ranks=ranks, listener=listener)
    ranks.wait()
    ranks.close()
    return made


def _train(
    store: Path,
    ratings: Sequence[str],
    titles: str,
    *,
    test: Sequence[str],
    settings: Settings,
    ranks: Ranks,
    listener: Listener,
) -> Reference | None:
    chosen = settings.train.model_copy(update={"ranks": ranks.size})
    settings = settings.model_copy(update={"train": chosen}).for_test_files(test)
    settings.check()
    opened, digest = Store(store), ""
    with contextlib.ExitStack() as stack:  # prune keeps what the processes use
        if ranks.is_first:
            opened = Store.open(store)
            stack.enter_context(opened.in_use())
            chain = Chain(opened, settings, making_missing(opened))
            dataset = chain.ingest(ratings, titles, test=test)
            digest = chain.split(dataset, chain.encode(dataset)).digest
        split = opened.reference("splits", ranks.tell(digest))
        if not ranks.is_first:
            stack.enter_context(opened.in_use())
        return _fit(opened, split, settings, ranks=ranks, listener=listener)


def _fit(
    opened: Store, split: Reference, settings: Settings, *, ranks: Ranks, listener: Listener
) -> Reference | None:
    plan, training = plan_of(opened, split, settings=settings, listener=listener)
    training = replace(training, threads=max(training.threads // ranks.here, 1), ranks=ranks)
    if not ranks.is_first:
        if ranks.tell(""):
            training.fit(opened.root)  # the folder is for the first rank
        return None
    began = False

    def make(folder: Path) -> CandidateManifest:
        nonlocal began
        began = True
        ranks.tell("fit")
        return training.fit(folder)

    made = opened.ensure(in_turn(replace(plan, make=make), settings.train.device))
    if not began:  # the candidate exists, or another process has just finished it
        ranks.tell("")
    return made
