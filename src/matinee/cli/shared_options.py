"""Options that several verbs of the command line have."""

import argparse
from collections.abc import Callable
from importlib import import_module

from matinee.cli.outcome import Outcome
from matinee.ops.folders import file_text, path, source_text, store_path

# Adds a verb: its name, its function in a module of this folder, and its line in the help.
Verb = Callable[[str, str, str], argparse.ArgumentParser]

_EXAMPLES = {
    None: "train.epochs=30",
    "ingest": "ingest.encoding=gbk",
    "recommend": "recommend.memory_mb=1024",
}


def later(name: str) -> Callable[[argparse.Namespace], Outcome]:
    """The function of a verb, whose module is imported when the verb runs: the help needs none of them.

    Args:
        name: Such as "verbs.ingest".
    """

    def run(call: argparse.Namespace) -> Outcome:
        module, _, function = name.rpartition(".")
        done: Outcome = getattr(import_module(f"matinee.cli.{module}"), function)(call)
        return done

    return run


def add_settings(parser: argparse.ArgumentParser, *, only: str | None = None) -> None:
    """`--settings` and `--set`; `only` is the section that a verb uses, if it does not use all.

    Such a verb refuses a `--set` of another section (`matinee.cli.verbs.section_settings`).
    """
    of, others = ("", " and --preset") if only is None else (f" of {only}", "")
    parser.add_argument("--settings", type=path, metavar="FILE", help="file of settings, JSON or TOML")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"one setting{of}, such as {_EXAMPLES[only]}; overrides --settings{others}; may be repeated",
    )


def add_store(parser: argparse.ArgumentParser) -> None:
    """`--store`."""
    parser.add_argument(
        "--store",
        type=store_path,
        required=True,
        metavar="DIR",
        help="folder that holds all data and releases, or its address in an object store, such as s3://BUCKET/PREFIX",
    )


def add_sources(parser: argparse.ArgumentParser) -> None:
    """`--ratings` and `--titles`."""
    parser.add_argument(
        "--ratings",
        type=source_text,
        nargs="+",
        required=True,
        metavar="PATH",
        help="files, folders or globs with ratings, also in an object store (s3://BUCKET/*.csv), or database "
        "queries, such as 'postgresql://USER@HOST/DATABASE?query=select ...'",
    )
    parser.add_argument(
        "--titles",
        type=file_text,
        required=True,
        metavar="PATH",
        help="file with the id, year and title of each movie, in the format of the Netflix Prize or of MovieLens, or "
        "as a table with a header",
    )


def add_preset(parser: argparse.ArgumentParser) -> None:
    """`--preset`."""
    parser.add_argument("--preset", metavar="NAME", help="named settings: fast (the default) or accurate")
