"""Options that several verbs of the command line have."""

import argparse
from collections.abc import Callable
from typing import Any

from matinee.ops.folders import path

Verb = Callable[[str, Any, str], argparse.ArgumentParser]  # name, function, help line


def add_settings(parser: argparse.ArgumentParser) -> None:
    """`--settings` and `--set`."""
    parser.add_argument("--settings", type=path, metavar="FILE", help="file of settings, JSON or TOML")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one setting, such as train.epochs=30; overrides --settings and --preset; may be repeated",
    )


def add_store(parser: argparse.ArgumentParser) -> None:
    """`--store`."""
    parser.add_argument(
        "--store", type=path, required=True, metavar="DIR", help="folder that holds all data and releases"
    )
