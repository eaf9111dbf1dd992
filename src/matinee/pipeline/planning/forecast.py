"""The forecast of a run: seconds, memory, disk and network of each step, what does not fit, and what to set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import Field

from matinee.errors import ConfigError
from matinee.formats.base import Format
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
from matinee.pipeline.planning.rates import Machine, Rates
from matinee.pipeline.planning.workload import Part, StepCost, Workload, with_value
from matinee.settings import Settings
from matinee.settings.presets import Value

_PROCESS: Final = 5.5e8  # bytes of Python, the libraries and Prefect before the first step
_USABLE: Final = 0.95  # of a host's memory; the rest is the system's
_SLACK: Final = 1.1  # memory that allocators keep beyond the tables
_OVERLAP: Final = 0.8  # of the shorter of two works at the same time, which the longer one does not hide
_START: Final = "start"


class Remedy(Format):
    """Settings with which a step fits."""

    settings: list[str] = Field(description="What to set, as `--set` takes it.")
    memory: int = Field(description="Largest memory of the step with it, in bytes.")
    seconds: float = Field(description="Seconds of the step with it.")


class StepForecast(Format):
    """What one step takes."""

    step: str = Field(description="The step; `start` is the time before the first one.")
    seconds: float = Field(description="Seconds.")
    memory: int = Field(description="Largest memory of a process on a host, in bytes.")
    disk: int = Field(description="Bytes that it leaves in the store.")
    network: int = Field(description="Bytes that each rank sends.")
    fits: bool = Field(description="Whether the memory is enough.")
    remedies: list[Remedy] = Field([], description="Settings with which it fits; empty if none is known.")


class RunForecast(Format):
    """The result of `matinee plan`."""

    ratings: int = Field(description="Number of ratings.")
    users: int = Field(description="Number of users.")
    movies: int = Field(description="Number of movies.")
    hosts: int = Field(description="Number of hosts.")
    cores: int = Field(description="Cores of each host.")
    memory: int = Field(description="Memory of each host, in bytes.")
    seconds: float = Field(description="Seconds of the run.")
    peak: int = Field(description="Largest memory of a step, in bytes.")
    disk: int = Field(description="Bytes in the store.")
    network: int = Field(description="Bytes that each rank sends.")
    fits: bool = Field(description="Whether every step fits.")
    steps: list[StepForecast] = Field(description="The steps in their order.")
    measured: str = Field(description="When the rates were measured (UTC).")
    machine: Machine = Field(description="The machine on which they were measured.")


# By step: values that need less memory, the least harmful first.
_REMEDIES: Final[Mapping[str, tuple[tuple[str, Value], ...]]] = {
    Step.RANK: (
        ("rank.dense_mb", 2048), ("rank.dense_mb", 1024), ("rank.dense_mb", 256), ("rank.dense_mb", 0),
        ("rank.rank", 32),
    ),
    Step.EVALUATE: (("evaluate.ranking_users", 10_000), ("evaluate.temporal", False)),
    Step.TRAIN: (("train.method", "sgd"), ("model.embedding_size", 16)),
    Step.REFIT: (("train.refit", "train_valid"),),
    Step.REFIT_RANKING: (("train.refit", "train_valid"), ("rank.dense_mb", 0)),
    Step.SPLIT: (("split.strategy", "stratified"),),
}  # fmt: skip


def forecast(
    rates: Rates,
    settings: Settings,
    *,
    ratings: int,
    users: int,
    movies: int,
    hosts: int = 1,
    cores: int,
    memory: int,
) -> RunForecast:
    """What a first run takes on hosts with these cores and this memory, all alike.

    Args:
        rates: What work costs on a core.
        settings: All settings of the run.
        ratings, users, movies: Numbers of each.
        hosts: Number of hosts.
        cores: Cores of each host.
        memory: Memory of each host, in bytes.

    Returns:
        The forecast.
    """
    host = Host(hosts, cores, memory)
    size = Workload(ratings, users, movies, settings.resolved(), hosts=hosts, cores=cores)
    steps = []
    for step in _steps(rates, size, host):
        remedies = [] if step.fits else list(_remedies(step.step, rates, settings, size, host))
        steps.append(step.model_copy(update={"remedies": remedies} if remedies else {}))
    return RunForecast(
        ratings=ratings,
        users=users,
        movies=movies,
        hosts=hosts,
        cores=cores,
        memory=memory,
        seconds=round(sum(step.seconds for step in steps), 1),
        peak=max(step.memory for step in steps),
        disk=sum(step.disk for step in steps),
        network=sum(step.network for step in steps),
        fits=all(step.fits for step in steps),
        steps=steps,
        measured=rates.measured,
        machine=rates.machine,
    )


@dataclass(frozen=True)
class Host:
    """Hosts of a run, all alike."""

    hosts: int
    cores: int
    memory: int


def _steps(rates: Rates, workload: Workload, host: Host) -> Iterator[StepForecast]:
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
        fits=memory <= _USABLE * host.memory,
    )


def _remedies(step: str, rates: Rates, settings: Settings, size: Workload, host: Host) -> Iterator[Remedy]:
    """The first value of each setting with which a step fits, or is no longer part of the run."""
    done: set[str] = set()
    for name, value in _REMEDIES.get(step, ()):
        if name in done:
            continue
        try:
            changed = with_value(settings, name, value)
            changed.check()
            workload = replace(size, settings=changed.resolved())
        except ConfigError:  # the method has no such setting
            continue
        if workload.settings == size.settings:
            continue
        found = next((each for each in _steps(rates, workload, host) if each.step == step), None)
        if found is None or found.fits:
            done.add(name)
            text = f"{name}={str(value).lower()}"
            yield Remedy(
                settings=[text],
                memory=found.memory if found else 0,
                seconds=found.seconds if found else 0.0,
            )
