"""Finds the result of a run that has nothing to compute: its steps are finished, its candidate is published or held.

What `matinee.pipeline.retrain` would do is looked up, by the same chain of steps. The store stays as it is, except for
the time at which each folder was last used.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from matinee.errors import MatineeError
from matinee.formats.steps import Step
from matinee.monitor.progressive import known_score
from matinee.pipeline.chain import Chain, Make
from matinee.pipeline.summary import Summary, summarize
from matinee.publish import find_publication
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.store.database_address import is_address
from matinee.store.identity import is_store


class UnfinishedError(Exception):
    """A step is left to compute."""

    def __init__(self, step: Step) -> None:
        self.step = step


def taking_whole(store: Store, is_whole: Callable[[Plan], bool]) -> Make:
    """The `make` of a chain whose steps are finished; the first one that is not raises UnfinishedError.

    Args:
        store: The store.
        is_whole: Whether the folder of a plan is there: `store.take`, or `store.has` to change nothing.
    """

    def take(step: Step, plan: Plan) -> Reference:
        if not is_whole(plan):
            raise UnfinishedError(step)
        return store.reference(plan.kind, plan.digest)

    return take


def find_finished(
    ratings: Sequence[str], titles: str, store: Path, *, test: Sequence[str], settings: Settings
) -> Summary | None:
    """The summary of a run if every part of it is finished.

    Args:
        ratings: The sources of the run. Queries are never known to have the rows of an earlier run.
        titles: The titles file.
        store: The folder of the store.
        test: Files of test rows.
        settings: All settings of the run.

    Returns:
        The summary that the run would end with; None if it has something to compute, or an error to report.
    """
    if any(map(is_address, [*ratings, *test])) or not is_store(store):
        return None
    try:
        opened = Store.open(store)
        chosen = settings.for_test_files(list(test)).spelled_out()
        with opened.in_use():
            return _summary(opened, ratings, titles, test=test, settings=chosen)
    except (UnfinishedError, MatineeError):
        return None


def _summary(
    store: Store, ratings: Sequence[str], titles: str, *, test: Sequence[str], settings: Settings
) -> Summary:
    """The summary of a finished run. Raises UnfinishedError."""
    record = _Record(taking_whole(store, store.take))
    chain = Chain(store, settings, record.make)
    dataset = chain.ingest(ratings, titles, test=test)
    score = known_score(store, dataset)
    if score is None:
        raise UnfinishedError(Step.PROGRESSIVE)
    record.clock(Step.PROGRESSIVE)
    tested = chain.test(chain.split(dataset, chain.encode(dataset)))
    shipped = chain.refit(tested)
    # As in the run of a flow, which has both steps even if nothing is refitted.
    record.add_unless_made(Step.REFIT, shipped.candidate)
    record.add_unless_made(Step.REFIT_RANKING, shipped.ranking)
    publication = find_publication(store, tested, shipped=shipped, settings=settings)
    if publication is None:
        raise UnfinishedError(Step.PUBLISH)
    record.clock(Step.PUBLISH)
    return summarize(
        store,
        record.made,
        publication,
        seconds=record.seconds,
        cached=record.cached,
        progressive=score.point,
    )


class _Record:
    """The folders that a chain takes, and the time of each step."""

    def __init__(self, take: Make) -> None:
        self.made: dict[Step, Reference] = {}
        self.seconds: dict[Step, float] = {}
        self.cached: list[Step] = []
        self._take = take
        self._since = time.perf_counter()

    def make(self, step: Step, plan: Plan) -> Reference:
        """Take the folder of a step, and record it."""
        self.made[step] = self._take(step, plan)
        self.cached.append(step)
        self.clock(step)
        return self.made[step]

    def clock(self, step: Step) -> None:
        """Record the time since the step before."""
        now = time.perf_counter()
        self.seconds[step], self._since = round(now - self._since, 3), now

    def add_unless_made(self, step: Step, folder: Reference | None) -> None:
        """Record the folder of a step that had nothing to do; none of a step that the run does not have."""
        if folder is not None and step not in self.made:
            self.made[step] = folder
            self.clock(step)
