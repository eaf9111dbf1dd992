"""The steps of a run in their order, from the sources to the models that it publishes.

`make` gets the folder of each step. A run makes what is missing; `matinee.pipeline.finished` only takes what is there.
The retrain flow has the same order in tasks, whose inputs are no plans.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matinee.errors import DivergenceError
from matinee.evaluate.tested import Models, Tested
from matinee.formats.steps import Step
from matinee.pipeline.steps import (
    plan_evaluation,
    plan_ingest,
    plan_ranking,
    plan_ranking_refit,
    plan_refit,
    plan_split,
    plan_training,
)
from matinee.settings import Settings
from matinee.split import encode
from matinee.store import Plan, Reference, Store
from matinee.store.progress import Listener, silent

Make = Callable[[Step, Plan], Reference]

log = logging.getLogger("matinee.run")


def making_missing(store: Store) -> Make:
    """The `make` of a run: the folder of a plan is made unless it exists."""
    return lambda step, plan: store.ensure(plan)


@dataclass(frozen=True)
class Chain:
    """The steps of one run.

    Attributes:
        store: The store.
        settings: All settings of the run.
        make: Returns the folder of a plan, or raises an error.
        listener: Called with the progress of the fits.
    """

    store: Store
    settings: Settings
    make: Make
    listener: Listener = silent

    def ingest(
        self,
        ratings: Sequence[str | Path],
        titles: str | Path | None,
        *,
        test: Sequence[str | Path] = (),
    ) -> Reference:
        """The dataset of some sources. Arguments and errors are those of `plan_ingest`."""
        plan = plan_ingest(self.store, ratings, titles, test=test, settings=self.settings.ingest)
        return self.make(Step.INGEST, plan)

    def encode(self, dataset: Reference) -> Reference:
        """The codes of the users and movies of a dataset."""
        return self.make(Step.ENCODE, encode.plan(self.store, dataset))

    def split(self, dataset: Reference, encoding: Reference) -> Reference:
        """The train, valid and test rows of a dataset."""
        return self.make(Step.SPLIT, plan_split(self.store, dataset, encoding, settings=self.settings.split))

    def test(self, split: Reference) -> Tested:
        """Fit the models of a split and evaluate them; plays have only a ranking model."""
        store, settings, listener = self.store, self.settings, self.listener
        candidate = None
        if settings.ingest.feedback != "implicit":
            plan = plan_training(store, split, settings=settings, listener=listener)
            candidate = self.make(Step.TRAIN, plan)
        plan = plan_ranking(store, split, settings=settings, listener=listener)
        models = Models(candidate=candidate, ranking=self.make(Step.RANK, plan))
        plan = plan_evaluation(store, split, models, settings=settings)
        return Tested(split=split, models=models, evaluation=self.make(Step.EVALUATE, plan))

    def refit(self, tested: Tested) -> Models:
        """The models to publish: the refits, or the tested models if no refit is configured.

        If the fit of the weights diverges, the tested weights are published.
        """
        store, settings, listener = self.store, self.settings, self.listener
        candidate, ranking = tested.models.candidate, tested.models.ranking
        try:
            if weights := plan_refit(store, tested, settings=settings, listener=listener):
                candidate = self.make(Step.REFIT, weights)
        except DivergenceError as error:
            log.warning("The tested weights are published, not the refit: %s", error)
        if model := plan_ranking_refit(store, tested, settings=settings, listener=listener):
            ranking = self.make(Step.REFIT_RANKING, model)
        return Models(candidate=candidate, ranking=ranking)
