"""The verb `plan`."""

import argparse
from functools import partial
from typing import TYPE_CHECKING, Final

from matinee.cli.outcome import Outcome
from matinee.cli.plan_lines import GB, plan_lines
from matinee.cli.terminal import complain
from matinee.cli.verbs import settings_of
from matinee.errors import ConfigError

if TYPE_CHECKING:
    from matinee.pipeline.planning import Rates
    from matinee.pipeline.planning.rates import Machine
    from matinee.settings import Settings

_LEAST_GB, _MOST_GB = 0.1, 1e6
_STOPPED: Final = "Stopped. No rates were kept; the same command measures again."


def plan(call: argparse.Namespace) -> Outcome:
    """Forecast a run of some size, from rates of this machine."""
    settings = settings_of(call)
    from matinee.pipeline.planning import check_size, forecast, known_rates, this_machine

    size = {"ratings": call.ratings, "users": call.users, "movies": call.movies, "hosts": call.hosts}
    memory = _memory(call.memory, known=this_machine().memory)
    check_size(settings, **size)
    rates = known_rates(settings, measure=partial(_measure, quiet=call.quiet), again=call.measure)
    cores = rates.machine.cores if call.cores is None else call.cores
    found = forecast(rates, settings, **size, cores=cores, memory=memory)
    return Outcome(found.model_dump(), list(plan_lines(found, settings, chosen=_chosen(call))))


def _memory(given: float | None, *, known: int) -> int:
    """The memory of a host in bytes."""
    if given is None and known <= 0:
        raise ConfigError("The memory of this machine is not known. Give that of a host with --memory.")
    if given is None:
        return known
    if not _LEAST_GB <= given <= _MOST_GB:
        raise ConfigError(f"--memory is {given:g}; expected {_LEAST_GB:g} to {_MOST_GB:,.0f} GB.")
    return round(given * GB)


def _measure(settings: "Settings", machine: "Machine", *, quiet: bool) -> "Rates":
    """Measure this machine. One line says so; the progress of the steps on samples is not shown."""
    from matinee.pipeline.planning.calibration import measure_rates
    from matinee.store.progress import Work, begin, watched

    if not quiet:
        complain("measuring this machine once, about a minute")
    begin("measuring this machine")
    try:
        with watched(Work()):
            return measure_rates(settings, machine)
    except KeyboardInterrupt as error:
        error.__dict__["message"] = _STOPPED
        raise


def _chosen(call: argparse.Namespace) -> list[str]:
    """The settings of the call, as it names them."""
    preset = [f"preset {call.preset}"] if call.preset else []
    file = [f"--settings {call.settings}"] if call.settings else []
    return [*preset, *file, *call.set]
