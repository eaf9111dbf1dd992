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
        help="one setting; overrides the file and the preset (repeatable)",
    )


def add_store(parser: argparse.ArgumentParser) -> None:
    """`--store`."""
    parser.add_argument(
        "--store", type=path, required=True, metavar="S", help="folder that holds all data and releases"
    )
