"""Options that several verbs of the command line have."""

import argparse
from collections.abc import Callable
from typing import Any

from matinee.ops.folders import path, path_text, source_text

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


def add_sources(parser: argparse.ArgumentParser) -> None:
    """`--ratings` and `--titles`."""
    parser.add_argument(
        "--ratings",
        type=source_text,
        nargs="+",
        required=True,
        metavar="PATH",
        help="files, folders or globs with ratings, or queries of databases, such as "
        "'postgresql://USER@HOST/DATABASE?query=select ...'",
    )
    parser.add_argument(
        "--titles",
        type=path_text,
        required=True,
        metavar="PATH",
        help="file with the id, year and title of each movie: Netflix Prize, MovieLens, or a table with a header",
    )


def add_preset(parser: argparse.ArgumentParser) -> None:
    """`--preset`."""
    parser.add_argument("--preset", metavar="NAME", help="named settings: fast (the default) or accurate")
