"""The verb `tune` with its options."""

import argparse

from matinee.cli.shared_options import Verb, add_preset, add_settings, add_sources, add_store
from matinee.cli.values import count, fraction
from matinee.ops.folders import path, source_text


def add_tune(verb: Verb) -> None:
    """Add the verb to a command line."""
    tune = verb(
        "tune",
        "tune_verb.tune",
        "Search for better settings, without publishing anything. Validation rows decide which are better.",
    )
    add_sources(tune)
    add_store(tune)
    _add_budget(tune)
    tune.add_argument(
        "--goal",
        choices=["ratings", "lists", "both"],
        default="both",
        help="what to improve: the RMSE of ratings, the nDCG@10 of lists, or both (the default)",
    )
    tune.add_argument(
        "--out",
        type=path,
        metavar="BEST.toml",
        help="file for the best settings, for use with --settings (default: best.toml); the report is written next "
        "to it",
    )
    tune.add_argument(
        "--workers",
        type=count,
        default=1,
        metavar="W",
        help="number of trials that run at the same time, on the same cores and device (default 1)",
    )
    tune.add_argument(
        "--test",
        type=source_text,
        nargs="+",
        default=[],
        metavar="PATH",
        help="files with the test rows, which the search does not use",
    )
    add_preset(tune)
    add_settings(tune)


def _add_budget(tune: argparse.ArgumentParser) -> None:
    tune.add_argument(
        "--trials",
        type=count,
        default=30,
        metavar="N",
        help="number of trials for each goal (default 30; for --goal both, 60 in all)",
    )
    tune.add_argument(
        "--minutes",
        type=fraction,
        metavar="M",
        help="start no trial after M minutes; to continue the search, run the same command again",
    )
