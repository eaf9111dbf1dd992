"""Runs the steps of a flow and records the result: cached steps, seconds per step, and the outcome."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, ParamSpec, TypeVar, cast

from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.tasks import Task

from matinee.errors.log_filter import guard_log
from matinee.formats.steps import Step
from matinee.monitor.progressive import ChampionScore
from matinee.pipeline.summary import Summary, summarize
from matinee.publish import Publication
from matinee.recommend import Recommended
from matinee.settings import Settings
from matinee.store import Reference, Store, progress
from matinee.store.documents import Point
from matinee.tasks.artifacts import show
from matinee.tasks.policies import CACHED
from matinee.tasks.run_log import describe

library_log = logging.getLogger("matinee")
log = library_log.getChild("run")

# What a run logs when a step begins.
_BEGINNINGS: Final[Mapping[Step, str]] = {
    Step.INGEST: "reading the files into a dataset",
    Step.PROGRESSIVE: "scoring the champion on newer ratings",
    Step.ENCODE: "numbering users and movies",
    Step.SPLIT: "dividing the rows into train, valid and test",
    Step.TRAIN: "fitting the candidate",
    Step.RANK: "fitting the ranking model",
    Step.EVALUATE: "measuring the models on the test rows",
    Step.REFIT: "fitting the candidate on all rows, if it passed the gate",
    Step.REFIT_RANKING: "fitting the ranking model on all rows, if the candidate passed the gate",
    Step.PUBLISH: "publishing the candidate, if it passed the gate",
    Step.RECOMMEND: "computing lists for all users",
}

P = ParamSpec("P")
R = TypeVar("R", Reference, Publication, Recommended, ChampionScore)


def as_state(summary: Summary) -> Summary:
    """The return value of a flow; the UI shows the run of a held candidate as `Held`, not as `Completed`."""
    if summary.promoted:
        return summary
    return cast("Summary", Completed(name="Held", message=summary.reason, data=summary))


def _why_skipped(step: Step, settings: object) -> str:
    """Why a refit step is skipped; empty for every other step."""
    is_refit = step in {Step.REFIT, Step.REFIT_RANKING}
    if not is_refit or not isinstance(settings, Settings) or settings.train.refit == "all":
        return ""
    return "skipped, because a refit on all rows needs train.refit=all"


class StepRunner:
    """Runs the steps of a flow, logs them and keeps a record."""

    def __init__(self, store: str) -> None:
        # Prefect handles this logger but does not set its level; on a worker it would be WARNING.
        if library_log.level == logging.NOTSET:
            library_log.setLevel(logging.INFO)
        guard_log()
        self.store = str(Path(store).absolute())
        self._seconds: dict[Step, float] = {}
        self._cached: list[Step] = []
        self._made: dict[Step, Reference] = {}
        self._progressive: Point | None = None

    def run(self, task: Task[P, R], *args: P.args, **inputs: P.kwargs) -> R:
        """Run one task on the store; record its duration and whether it was cached.

        Args:
            task: The task, whose name is that of a step.
            *args: Its positional arguments.
            **inputs: Its keyword arguments.

        Returns:
            What the task returns. The task's error is raised once its retries are used up.
        """
        step = Step(task.name)
        why_skipped = _why_skipped(step, inputs.get("settings"))
        log.info("%s: %s", step, why_skipped or _BEGINNINGS[step])
        progress.begin(step.value)
        started = time.perf_counter()
        state: State[R] = task(*args, **inputs, return_state=True)
        result: R = state.result()
        self._seconds[step] = 0.0 if why_skipped else round(time.perf_counter() - started, 3)
        if state.name == CACHED:
            self._cached.append(step)
            if not why_skipped:
                log.info("    finished before, skipped")
        is_new = result not in self._made.values()
        if isinstance(result, Reference):
            self._made[step] = result
        if isinstance(result, ChampionScore):
            self._progressive = result.point
        self._report(step, result, is_new=is_new, is_skipped=bool(why_skipped))
        return result

    def _report(
        self,
        step: Step,
        result: Reference | Publication | Recommended | ChampionScore,
        *,
        is_new: bool,
        is_skipped: bool,
    ) -> None:
        store = Store(Path(self.store))
        if not is_skipped:
            for line in describe(step, store, result) if is_new else ["the tested model is used"]:
                log.info("    %s", line)
        show(step, store, result)

    def summary(self, publication: Publication) -> Summary:
        """The record of a finished run."""
        return summarize(
            Store(Path(self.store)),
            self._made,
            publication,
            seconds=self._seconds,
            cached=self._cached,
            progressive=self._progressive,
        )
