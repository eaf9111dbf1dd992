"""The forecast of a run: seconds, memory, disk and network of each step, what does not fit, and what to set."""

from collections.abc import Iterator

from matinee.pipeline.planning.fit_cost import trains_on_ranks
from matinee.pipeline.planning.rates import Rates
from matinee.pipeline.planning.remedies import find_remedies
from matinee.pipeline.planning.result import RunForecast
from matinee.pipeline.planning.run_steps import Host, run_steps
from matinee.pipeline.planning.workload import Workload
from matinee.settings import Settings


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
        ratings, users, movies: Numbers of each; `check_size` refuses those that no data has.
        hosts: Number of hosts.
        cores: Cores of each host.
        memory: Memory of each host, in bytes.

    Returns:
        The forecast.
    """
    host = Host(cores, memory)
    size = Workload(ratings, users, movies, settings.resolved(), hosts=hosts)
    steps = []
    for step in run_steps(rates, size, host):
        remedies = [] if step.fits else find_remedies(step, rates, settings, size, host)
        steps.append(step.model_copy(update={"remedies": remedies}))
    return RunForecast(
        ratings=ratings,
        users=users,
        movies=movies,
        hosts=hosts,
        cores=cores,
        memory=memory,
        usable=host.usable,
        seconds=round(sum(step.seconds for step in steps), 1),
        peak=max(step.memory for step in steps),
        disk=sum(step.disk for step in steps),
        network=sum(step.network for step in steps),
        fits=all(step.fits for step in steps),
        steps=steps,
        not_compared=list(_not_compared(size, cores=cores)),
        measured=rates.measured,
        machine=rates.machine,
    )


def _not_compared(size: Workload, *, cores: int) -> Iterator[str]:
    """How this run differs from those that plans were compared with (docs/how-to/plan.md)."""
    train = size.settings.train
    if not 10**6 <= size.ratings <= 10**8:
        yield f"{size.ratings:,} ratings"
    if size.plays:
        yield "plays"
    elif not trains_on_ranks(size.settings):
        yield f"train.method={train.method}"
    if cores != 2:
        yield f"{cores:,} {'core' if cores == 1 else 'cores'}"
    if size.hosts > 1:
        yield f"{size.hosts:,} hosts"
    if train.device == "cuda":
        yield "a GPU, for which the plan has the time of the CPU"
    if train.ranks > 1:
        yield f"train.ranks={train.ranks}, which the plan takes for one process"
