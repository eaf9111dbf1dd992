"""Refuses runs that a plan can't be made of, before anything is measured."""

from matinee.errors import ConfigError
from matinee.pipeline.planning.fit_cost import trains_on_ranks
from matinee.pipeline.planning.workload import Workload
from matinee.settings import Settings
from matinee.settings.training import MOST_RANKS
from matinee.train.blocks import groups_for


def check_size(settings: Settings, *, ratings: int, users: int, movies: int, hosts: int) -> None:
    """Raise ConfigError for sizes that no data has, and for hosts that can't share the fit.

    Args:
        settings: All settings of the run.
        ratings, users, movies: Numbers of each.
        hosts: Number of hosts.
    """
    if not users <= ratings <= users * movies:
        raise ConfigError(
            f"{ratings:,} ratings do not fit {users:,} users and {movies:,} movies. Each user rates at least one "
            f"movie, and no movie twice; expected {users:,} to {users * movies:,} ratings."
        )
    if settings.split.strategy == "given":
        raise ConfigError(
            "split.strategy=given reads the test rows from files, and a plan knows no file. Leave it out: the plan "
            "then holds out split.test_fraction of the ratings."
        )
    if hosts > 1:
        _check_hosts(Workload(ratings, users, movies, settings.resolved(), hosts=hosts))


def _check_hosts(size: Workload) -> None:
    """Raise ConfigError for numbers of hosts that a fit refuses. Each host has one rank."""
    train = size.settings.train
    if size.plays:
        raise ConfigError(
            f"--hosts is {size.hosts:,}, and plays have no rating model, whose fit is all that hosts can share. Leave "
            "--hosts out."
        )
    if trains_on_ranks(size.settings) and train.device == "cuda":
        raise ConfigError(
            f"--hosts is {size.hosts:,}, and hosts share a fit on CPUs only. Set train.device=cpu, or leave --hosts "
            "out."
        )
    if size.hosts > MOST_RANKS:
        raise ConfigError(f"--hosts is {size.hosts:,}; expected {MOST_RANKS} hosts or fewer.")
    groups = groups_for(int(size.train_rows))
    if trains_on_ranks(size.settings) and size.hosts > groups:
        raise ConfigError(
            f"--hosts is {size.hosts:,}, and a fit of {int(size.train_rows):,} ratings has {groups} groups of users, "
            f"of which each host needs one. Use {groups} hosts or fewer."
        )
