"""The lines of `matinee plan` for people. What a remedy gives up is worded in `matinee.pipeline.planning.remedies`."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from matinee.cli.tables import table_lines
from matinee.cli.terminal import columns, is_terminal
from matinee.errors.text import minute

if TYPE_CHECKING:
    from matinee.pipeline.planning import Remedy, RunForecast, StepForecast
    from matinee.settings import Settings

GB: Final = 1e9
_WIDTH: Final = 100
_SHORT: Final = 10  # seconds up to which a decimal is printed
_MINUTES, _HOURS = 120, 7200  # seconds from which a time is given in minutes, and in hours
_INDENT: Final = " " * 10
_ACCURACY: Final = (
    "estimate  the whole, the fits and the memory were within a factor of 1.5 "
    "(1 M to 100 M ratings, 2 cores, no GPU)"
)


def plan_lines(found: "RunForecast", settings: "Settings", *, chosen: Sequence[str]) -> Iterator[str]:
    """The forecast.

    Args:
        found: What the run takes.
        settings: All settings of the run.
        chosen: The preset and the settings of the call, as it names them.
    """
    hosts = f"{found.hosts:,} hosts, each with " if found.hosts > 1 else ""
    cores = f"{found.cores:,} {'core' if found.cores == 1 else 'cores'}"
    yield (
        f"plan      {found.ratings:,} ratings, {found.users:,} users, {found.movies:,} movies; {hosts}"
        f"{cores} and {_size(found.memory)}; {', '.join(chosen) or 'default settings'}"
    )
    yield from _table(found)
    yield from _says_steps(found, settings)
    for step in found.steps:
        if not step.fits:
            yield from _too_large(step, found)
    if found.fits:
        yield f"fits      {_exact(found.peak)} of the {_exact(found.usable)} that may be used"
    if found.hosts > 1:
        yield from _says_hosts(found)
    machine = found.machine
    yield (
        f"measured  {minute(found.measured)}, {machine.processor}, {machine.cores} cores; --measure measures again"
    )
    yield _ACCURACY
    if found.not_compared:
        yield f"{_INDENT}no such plan was compared with a run: {', '.join(found.not_compared)}"


def _table(found: "RunForecast") -> list[str]:
    shared = found.hosts > 1
    header = ["step", "seconds", "time", "memory", "disk", *(["network"] if shared else [])]
    rows = [_row(step, shared=shared) for step in found.steps]
    whole = ["in all", _seconds(found.seconds), _time(found.seconds), _size(found.peak), _size(found.disk)]
    width = columns(sys.stdout) if is_terminal(sys.stdout) else _WIDTH
    return list(
        table_lines(header, [*rows, [*whole, *([_size(found.network)] if shared else [])]], width=width)
    )


def _row(step: "StepForecast", *, shared: bool) -> list[str]:
    disk, network = (_size(size) if size else "" for size in (step.disk, step.network))
    cells = [step.step, _seconds(step.seconds), _time(step.seconds), _size(step.memory), disk]
    return [*cells, network] if shared else cells


def _says_steps(found: "RunForecast", settings: "Settings") -> Iterator[str]:
    """Which steps of `matinee retrain` a row has."""
    both = settings.train.refit != "none" and any(step.step == "train" for step in found.steps)
    train = "train includes the first fit and the refit (`retrain` prints only the refit); " if both else ""
    yield f"steps     {train}split includes encode"


def _too_large(step: "StepForecast", found: "RunForecast") -> Iterator[str]:
    yield f"too large {step.step} needs {_exact(step.memory)} of the {_exact(found.usable)} that may be used"
    for remedy in step.remedies:
        yield f"{_INDENT}{_says_remedy(remedy, found)}"


def _says_remedy(remedy: "Remedy", found: "RunForecast") -> str:
    """What to do, with the step's new memory and time, or the memory that a host needs."""
    options = " ".join(f"--set {each}" for each in remedy.settings)
    worse = f" ({', '.join(remedy.gives_up)})" if remedy.gives_up else ""
    if not remedy.fits:
        host = f"use a host with {_size(remedy.host_memory)}"
        least = f"with {' '.join(remedy.settings)} it needs {_exact(remedy.memory)}: "
        return f"{least}{host}{worse}" if remedy.settings else f"no setting is enough: {host}"
    what = options if remedy.hosts == found.hosts else f"--hosts {remedy.hosts}"
    then = f"{_exact(remedy.memory)} and {_time(remedy.seconds)}" if remedy.memory else "the step is left out"
    return f"{what}: {then}{worse}"


def _says_hosts(found: "RunForecast") -> Iterator[str]:
    if not found.network:
        yield "hosts     this method is fitted on one host: only the preset fast can be shared"
        return
    yield (
        f"hosts     only the fit is shared: torchrun starts one rank on each host (docs/how-to/several-hosts.md), "
        f"which sends {_size(found.network)}"
    )


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


def _exact(size: int) -> str:
    """Bytes in GB with two decimals, for sizes that are compared."""
    return f"{size / GB:,.2f} GB"


def _size(size: int) -> str:
    """Bytes in GB of 10^9 bytes, or in MB below one."""
    if size >= GB:
        return f"{size / GB:,.1f} GB"
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"
