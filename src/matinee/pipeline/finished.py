"""Finds the result of a run that has nothing to compute: its steps are finished, its candidate is published or held.

Only what `matinee.pipeline.retrain` would do is looked up, with the same plans. The store stays as it is, except for
the time at which each folder was last used.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from matinee.errors import MatineeError
from matinee.evaluate.tested import Models, Tested
from matinee.formats.steps import Step
from matinee.monitor.progressive import known_score
from matinee.pipeline.steps import (
    plan_evaluation,
    plan_ingest,
    plan_ranking,
    plan_ranking_refit,
    plan_refit,
    plan_split,
    plan_training,
)
from matinee.pipeline.summary import Summary, summarize
from matinee.publish import find_publication
from matinee.settings import Settings
from matinee.split import encode
from matinee.store import Plan, Reference, Store
from matinee.store.database_address import is_address
from matinee.store.identity import is_store


class UnfinishedError(Exception):
    """A step is left to compute."""

    def __init__(self, step: Step) -> None:
        self.step = step


def find_finished(
    ratings: Sequence[str], titles: str, store: Path, *, test: Sequence[str], settings: Settings
) -> Summary | None:
    """The summary of a run if every part of it is finished.

    Args:
        ratings: The sources of the run. Queries are never known to have the rows of an earlier run.
        titles: The title file.
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
        finished = Finished(opened, chosen, is_whole=opened.take)
        with opened.in_use():
            return finished.summary(ratings, titles, test)
    except (UnfinishedError, MatineeError):
        return None


class Finished:
    """The finished steps of a run; the first one that is not finished raises UnfinishedError."""

    def __init__(self, store: Store, settings: Settings, *, is_whole: Callable[[Plan], bool]) -> None:
        """`is_whole` says whether the folder of a plan is there: `store.take`, or `store.has` to change nothing."""
        self.store = store
        self._is_whole = is_whole
        self._settings = settings
        self._made: dict[Step, Reference] = {}
        self._seconds: dict[Step, float] = {}
        self._cached: list[Step] = []
        self._since = time.perf_counter()

    def summary(self, ratings: Sequence[str], titles: str, test: Sequence[str]) -> Summary:
        """The summary of a run on these files."""
        store, settings = self.store, self._settings
        dataset = self.dataset(ratings, titles, test)
        score = known_score(store, dataset)
        if score is None:
            raise UnfinishedError(Step.PROGRESSIVE)
        self._clock(Step.PROGRESSIVE)
        tested = self.tested(dataset)
        shipped = self._shipped(tested)
        publication = find_publication(store, tested, shipped=shipped, settings=settings)
        if publication is None:
            raise UnfinishedError(Step.PUBLISH)
        self._clock(Step.PUBLISH)
        return summarize(
            store,
            self._made,
            publication,
            seconds=self._seconds,
            cached=self._cached,
            progressive=score.point,
        )

    def dataset(self, ratings: Sequence[str], titles: str | None, test: Sequence[str]) -> Reference:
        """The dataset of these files."""
        plan = plan_ingest(self.store, ratings, titles, test=test, settings=self._settings.ingest)
        return self._take(Step.INGEST, plan)

    def tested(self, dataset: Reference) -> Tested:
        """The models of a dataset and their evaluation."""
        store, settings = self.store, self._settings
        encoding = self._take(Step.ENCODE, encode.plan(store, dataset))
        split = self._take(Step.SPLIT, plan_split(store, dataset, encoding, settings=settings.split))
        candidate = None
        if settings.ingest.feedback != "implicit":
            candidate = self._take(Step.TRAIN, plan_training(store, split, settings=settings))
        ranking = self._take(Step.RANK, plan_ranking(store, split, settings=settings))
        models = Models(candidate=candidate, ranking=ranking)
        plan = plan_evaluation(store, split, models, settings=settings)
        return Tested(split=split, models=models, evaluation=self._take(Step.EVALUATE, plan))

    def _take(self, step: Step, plan: Plan) -> Reference:
        if not self._is_whole(plan):
            raise UnfinishedError(step)
        self._made[step] = self.store.reference(plan.kind, plan.digest)
        self._cached.append(step)
        self._clock(step)
        return self._made[step]

    def _clock(self, step: Step) -> None:
        """Record the time since the step before."""
        now = time.perf_counter()
        self._seconds[step], self._since = round(now - self._since, 3), now

    def _shipped(self, tested: Tested) -> Models:
        """The refits; without a refit, the tested models."""
        candidate, ranking = tested.models.candidate, tested.models.required_ranking
        if weights := plan_refit(self.store, tested, settings=self._settings):
            candidate = self._take(Step.REFIT, weights)
        if model := plan_ranking_refit(self.store, tested, settings=self._settings):
            ranking = self._take(Step.REFIT_RANKING, model)
        # As in the run of a flow, which has both steps even if nothing is refitted.
        if candidate is not None:
            self._made[Step.REFIT] = candidate
            self._seconds.setdefault(Step.REFIT, 0.0)
        self._made[Step.REFIT_RANKING] = ranking
        self._seconds.setdefault(Step.REFIT_RANKING, 0.0)
        return Models(candidate=candidate, ranking=ranking)
