"""The steps of a run in their order: seconds, memory, disk and network of each."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from matinee.formats.steps import Step
from matinee.pipeline.planning.data_cost import (
    evaluate_step,
    holdout_step,
    ingest_step,
    publish_step,
    runs_together,
    split_step,
)
from matinee.pipeline.planning.fit_cost import fit_step
from matinee.pipeline.planning.rank_cost import rank_step
from matinee.pipeline.planning.rates import Rates
from matinee.pipeline.planning.result import StepForecast
from matinee.pipeline.planning.workload import Part, StepCost, Workload

USABLE: Final = 0.95  # of a host's memory; the rest is the system's
_PROCESS: Final = 5.5e8  # bytes of Python, the libraries and Prefect before the first step
_SLACK: Final = 1.1  # memory that allocators keep beyond the tables
_OVERLAP: Final = 0.8  # of the shorter of two works at the same time, which the longer one does not hide
_START: Final = "start"


@dataclass(frozen=True)
class Host:
    """A host of a run; all are alike."""

    cores: int
    memory: int

    @property
    def usable(self) -> int:
        """Memory that a run may use."""
        return int(USABLE * self.memory)


def run_steps(rates: Rates, workload: Workload, host: Host) -> Iterator[StepForecast]:
    """The start, and each step of a first run."""
    yield _step_forecast(_START, rates.start, StepCost([]), host)
    for step, cost in _costs(rates, workload).items():
        seconds = _step_seconds(step, cost, rates, host)
        if step == Step.EVALUATE and workload.settings.evaluate.temporal:
            yield _with_holdout(seconds, cost, rates, workload, host)
        else:
            yield _step_forecast(step, seconds, cost, host)


def _step_seconds(step: str, cost: StepCost, rates: Rates, host: Host) -> float:
    parts = [*cost.parts, Part("written_byte", cost.disk)]
    cores = host.cores * cost.hosts
    return rates.fixed.get(step, 0.0) + sum(_seconds(part, rates, cores=cores) for part in parts)


def _with_holdout(
    seconds: float, cost: StepCost, rates: Rates, workload: Workload, host: Host
) -> StepForecast:
    """The evaluation with the temporal holdout: both at the same time, or one after the other."""
    holdout = holdout_step(workload)
    other = _step_seconds("", holdout, rates, host)
    if not runs_together(workload):
        both = replace(cost, memory=max(cost.memory, holdout.memory))
        return _step_forecast(Step.EVALUATE, seconds + other, both, host)
    both = replace(cost, memory=cost.memory + holdout.memory)
    whole = max(seconds, other) + _OVERLAP * min(seconds, other)
    return _step_forecast(Step.EVALUATE, whole, both, host)


def _costs(rates: Rates, workload: Workload) -> dict[Step, StepCost]:
    """The steps in their order; plays have no rating model."""
    refit, plays = workload.settings.train.refit, workload.plays
    costs = {
        Step.INGEST: ingest_step(workload, rates.disk_row[Step.INGEST]),
        Step.SPLIT: split_step(workload, rates.disk_row[Step.SPLIT]),
    }
    if not plays:
        rows = [workload.train_rows] if refit == "none" else [workload.train_rows, workload.fitted_rows]
        costs[Step.TRAIN] = fit_step(workload, rows=rows)
    costs[Step.RANK] = rank_step(workload, rows=workload.fitted_rows)
    costs[Step.EVALUATE] = evaluate_step(workload)
    if refit == "all" and not plays:
        alone = replace(workload, hosts=1)  # ranks of other hosts only make the candidate
        costs[Step.REFIT] = fit_step(alone, rows=[workload.ratings])
    if refit == "all":
        costs[Step.REFIT_RANKING] = rank_step(workload, rows=workload.ratings)
    costs[Step.PUBLISH] = publish_step(workload, fits=2 if refit == "all" else 1)
    return costs


def _seconds(part: Part, rates: Rates, *, cores: int) -> float:
    """Seconds of a part: on as many cores as can share it."""
    return part.units * rates.seconds[part.rate] / max(1.0, min(part.lanes, float(cores)))


def _step_forecast(step: str, seconds: float, cost: StepCost, host: Host) -> StepForecast:
    memory = _PROCESS + _SLACK * cost.memory
    return StepForecast(
        step=str(step),
        seconds=round(seconds, 1),
        memory=round(memory),
        disk=round(cost.disk),
        network=round(cost.network),
        fits=memory <= host.usable,
        remedies=[],
    )
