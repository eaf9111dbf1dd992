"""The verb `plan`."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from matinee.cli.outcome import Outcome
from matinee.cli.tables import table_lines
from matinee.cli.terminal import columns, is_terminal
from matinee.cli.verbs import settings_of
from matinee.errors import ConfigError

if TYPE_CHECKING:
    from matinee.pipeline.planning import RunForecast, StepForecast

_GB = 1e9
_WIDTH = 100
_SHORT: Final = 10  # seconds up to which a decimal is printed
_MINUTES, _HOURS = 120, 7200  # seconds from which a time is given in minutes, and in hours
_HONEST = (
    "estimate  within a factor of about 1.5 where it was compared: 1 M to 100 M ratings, 2 cores, no GPU"
)


def plan(call: argparse.Namespace) -> Outcome:
    """Forecast a run of some size, from rates of this machine."""
    _check(call)
    settings = settings_of(call)
    from matinee.pipeline.planning import forecast, known_rates
    from matinee.pipeline.planning.calibration import measure_rates

    rates = known_rates(settings, measure=measure_rates, again=call.measure)
    machine = rates.machine
    memory = machine.memory if call.memory is None else round(call.memory * _GB)
    if not memory:
        raise ConfigError("The memory of this machine is not known. Give that of a host with --memory.")
    found = forecast(
        rates,
        settings,
        ratings=call.ratings,
        users=call.users,
        movies=call.movies,
        hosts=call.hosts,
        cores=call.cores or machine.cores,
        memory=memory,
    )
    lines = list(_lines(found))
    return Outcome(found.model_dump(), lines)


def _check(call: argparse.Namespace) -> None:
    """Raise ConfigError for sizes that no data has, before anything is measured."""
    if call.memory is not None and call.memory <= 0:
        raise ConfigError(f"--memory is {call.memory:g}; expected more than 0.")
    if not max(call.users, call.movies) <= call.ratings <= call.users * call.movies:
        raise ConfigError(
            f"{call.ratings:,} ratings do not fit {call.users:,} users and {call.movies:,} movies. Each user and each "
            f"movie has at least one, and no pair two; expected {max(call.users, call.movies):,} to "
            f"{call.users * call.movies:,} ratings."
        )


def _lines(found: "RunForecast") -> Iterator[str]:
    """The forecast for people."""
    hosts = f"{found.hosts:,} hosts, each with " if found.hosts > 1 else ""
    yield (
        f"plan      {found.ratings:,} ratings, {found.users:,} users, {found.movies:,} movies; {hosts}"
        f"{found.cores:,} cores and {_size(found.memory)}"
    )
    header = ["step", "seconds", "time", "memory", "disk", *(["network"] if found.hosts > 1 else [])]
    rows = [_row(step, found) for step in found.steps]
    whole = ["in all", _seconds(found.seconds), _time(found.seconds), _size(found.peak), _size(found.disk)]
    if found.hosts > 1:
        whole.append(_size(found.network))
    width = columns(sys.stdout) if is_terminal(sys.stdout) else _WIDTH
    yield from table_lines(header, [*rows, whole], width=width)
    for step in found.steps:
        if not step.fits:
            yield from _too_large(step, found)
    if found.fits:
        yield f"fits      {_size(found.peak)} of {_size(found.memory)}"
    if found.hosts > 1:
        yield _says_hosts(found)
    machine = found.machine
    yield f"measured  {found.measured}, {machine.processor}, {machine.cores} cores; --measure measures again"
    yield _HONEST


def _row(step: "StepForecast", found: "RunForecast") -> list[str]:
    disk = _size(step.disk) if step.disk else ""
    cells = [step.step, _seconds(step.seconds), _time(step.seconds), _size(step.memory), disk]
    return [*cells, _size(step.network) if step.network else ""] if found.hosts > 1 else cells


def _too_large(step: "StepForecast", found: "RunForecast") -> Iterator[str]:
    yield f"too large {step.step} needs {_size(step.memory)} of {_size(found.memory)}"
    for remedy in step.remedies:
        then = (
            f"{_size(remedy.memory)} and {_time(remedy.seconds)}" if remedy.memory else "the step is left out"
        )
        yield f"          --set {' --set '.join(remedy.settings)}: {then}"
    if not step.remedies:
        yield f"          no setting is enough; use a host with {_size(round(step.memory * 1.1))}"


def _says_hosts(found: "RunForecast") -> str:
    if found.network:
        return (
            f"hosts     only the fit of the preset `fast` is shared (train.ranks={found.hosts}); each rank sends "
            f"{_size(found.network)}"
        )
    return "hosts     this method is fitted on one host: only the preset `fast` can be shared"


def _seconds(seconds: float) -> str:
    """A number of seconds; short ones with a decimal."""
    return f"{seconds:,.0f}" if seconds >= _SHORT else f"{seconds:.1f}"


def _time(seconds: float) -> str:
    """Seconds, minutes or hours."""
    if seconds < _MINUTES:
        return f"{_seconds(seconds)} s"
    if seconds < _HOURS:
        return f"{seconds / 60:,.1f} min"
    return f"{seconds / 3600:,.1f} h"


def _size(size: int) -> str:
    """Bytes in GB, or in MB below one."""
    if size >= _GB:
        return f"{size / _GB:,.1f} GB"
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"
