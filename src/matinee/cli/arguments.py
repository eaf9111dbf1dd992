"""The verbs of the command line with their options. Values are parsed strictly, and errors are ConfigErrors."""

import argparse
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, NoReturn

from matinee import __version__
from matinee.cli import terminal
from matinee.cli.maintenance_arguments import add_maintenance_verbs
from matinee.cli.operations import OPERATIONS
from matinee.cli.page_arguments import add_page_verbs
from matinee.cli.plan_arguments import add_plan, add_settings_verb
from matinee.cli.recommend_arguments import add_recommend_verbs
from matinee.cli.registry_arguments import add_registry_verbs
from matinee.cli.serve_arguments import add_serve_verb
from matinee.cli.shared_options import Verb, add_preset, add_settings, add_sources, add_store, later
from matinee.cli.tune_arguments import add_tune
from matinee.cli.values import fraction, whole
from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.folders import path, source_text

_COMPLAINT_LENGTH = 500
# The verbs as the help lists them.
_GROUPS: Final = {
    "make a release": "sample settings plan ingest retrain tune",
    "use a release": "recommend predict similar explain serve export",
    "inspect and compare releases": "releases show evaluate compare report",
    "manage releases and the store": "promote rollback sign backup restore migrate prune forget",
    "run every night": "up inbox-watcher units server worker alerts",
    "this installation": "doctor completion",
}


class _Parser(argparse.ArgumentParser):
    """A parser that raises ConfigError instead of printing its usage."""

    verbs: Collection[str] = ()

    def error(self, message: str) -> NoReturn:
        text = shown(message, _COMPLAINT_LENGTH)
        raise ConfigError(f"{text[0].upper()}{text[1:].removesuffix('.')}. See `{self.prog} --help`.")

    def format_help(self) -> str:
        """The help; that of the whole command lists the verbs in groups."""
        if not self.verbs:
            return super().format_help()
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        listed = next(each for each in self._actions if isinstance(each, argparse._SubParsersAction))
        entries = {entry.dest: entry for entry in listed._choices_actions}
        grouped = {
            title: [name for name in names.split() if name in entries] for title, names in _GROUPS.items()
        }
        others = entries.keys() - {name for names in grouped.values() for name in names}
        for title, names in {**grouped, "others": sorted(others)}.items():
            formatter.start_section(title)
            formatter.add_arguments([entries[name] for name in names])
            formatter.end_section()
        formatter.add_text("`matinee VERB --help` lists the options of a verb.")
        return formatter.format_help()

    def _print_message(self, message: str, file: Any = None) -> None:
        terminal.show_help(message)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line.

    Args:
        words: The words after `matinee`.

    Returns:
        `verb`, `run` and the options of the verb.

    Raises:
        ConfigError: It is wrong.
    """
    parser = _parser()
    if not words:
        raise ConfigError("A verb is missing. Begin with `matinee doctor`, or see `matinee --help`.")
    if words and not words[0].startswith("-") and words[0] not in parser.verbs:
        nearest = get_close_matches(words[0], parser.verbs, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"Verb {shown(repr(words[0]), _COMPLAINT_LENGTH)} is not known; the nearest is {nearest}. See `matinee "
            "--help`."
        )
    call, unknown = parser.parse_known_args(words)
    if unknown:
        parser = build_parser()
        parser.prog = f"{parser.prog} {call.verb}"  # the help that lists the options is that of the verb
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    places = {name: getattr(call, name, None) for name in ("store", "source", "out")}
    if any(place is not None for place in places.values()):
        from matinee.store.remote import local_store, names_remote  # noqa: PLC0415 - help and mistakes need no store

        for name, place in places.items():
            if place is not None and (name == "store" or names_remote(place)):
                setattr(call, name, local_store(place))
    return call


@cache
def _parser() -> _Parser:
    """One parser for all calls of a process."""
    return build_parser()


def build_parser() -> _Parser:
    """The parser of the whole command line. The documentation is generated from it too.

    Returns:
        The parser, which raises ConfigError.
    """
    parser = _Parser(
        prog="matinee", description="Retrain a movie recommender and publish it only when it is good enough."
    )
    parser.add_argument("--version", action="version", version=f"matinee {__version__}")
    verbs_of = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)

    def verb(name: str, function: str, summary: str) -> argparse.ArgumentParser:
        added = verbs_of.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        added.set_defaults(run=later(function))
        output = added.add_argument_group("output")
        output.add_argument(
            "--json", action="store_true", help="print the result as one line of JSON at the end"
        )
        loudness = output.add_mutually_exclusive_group()
        loudness.add_argument(
            "--verbose", action="store_true", help="log more, and print the traceback of an error"
        )
        loudness.add_argument(
            "--quiet",
            action="store_true",
            help="print only warnings, errors and the output that was requested",
        )
        return added

    _add_sample(verb)
    add_plan(verb)
    _add_data_verbs(verb)
    add_tune(verb)
    add_settings_verb(verb)
    _add_answer_verbs(verb)
    add_recommend_verbs(verb)
    add_serve_verb(verb)
    add_page_verbs(verb)
    add_registry_verbs(verb)
    add_maintenance_verbs(verb)
    for name, (_, summary) in OPERATIONS.items():
        verbs_of.add_parser(name, help=summary, add_help=False)
    parser.verbs = tuple(verbs_of.choices)
    return parser


def _add_sample(verb: Verb) -> None:
    sample = verb(
        "sample", "verbs.sample", "Generate ratings and titles for which the lowest possible RMSE is known."
    )
    sample.add_argument("--out", type=path, required=True, metavar="DIR", help="folder for the files")
    sample.add_argument(
        "--ratings",
        type=whole,
        default=1_000_000,
        metavar="N",
        help="number of ratings, at least 1,000 (default 1,000,000)",
    )
    sample.add_argument(
        "--users", type=whole, metavar="U", help="number of users (default: in proportion to the ratings)"
    )
    sample.add_argument(
        "--movies", type=whole, metavar="M", help="number of movies (default: in proportion to the ratings)"
    )
    sample.add_argument("--seed", type=whole, default=0, metavar="S", help="random seed (default 0)")
    _add_sample_forms(sample)


def _add_sample_forms(sample: argparse.ArgumentParser) -> None:
    """How the rows of a sample look."""
    sample.add_argument(
        "--format",
        choices=["csv", "netflix", "jsonl", "inter", "parquet"],
        default="csv",
        help="format of the ratings: csv (the default), netflix (the text format of the Netflix Prize), jsonl "
        "(JSON lines), inter (RecBole) or parquet; --dirty needs csv or netflix",
    )
    sample.add_argument(
        "--feedback",
        choices=["explicit", "implicit"],
        default="explicit",
        help="kind of the rows: explicit (ratings, the default) or implicit (plays without a rating)",
    )
    sample.add_argument(
        "--ids",
        choices=["integer", "text"],
        default="integer",
        help="kind of the ids of users and movies (default integer)",
    )
    sample.add_argument(
        "--dirty",
        type=fraction,
        default=0.0,
        metavar="FRACTION",
        help="share of all rows to make invalid, at most 0.5 (default 0)",
    )


def _add_data_verbs(verb: Verb) -> None:
    ingest = verb("ingest", "verbs.ingest", "Validate ratings and titles, and add them to the store.")
    retrain = verb(
        "retrain", "retrain_verb.retrain", "Train and evaluate a model, and publish it if it passes the gate."
    )
    for added in (ingest, retrain):
        add_sources(added)
        add_store(added)
    add_settings(ingest, only="ingest")
    add_preset(retrain)
    add_settings(retrain)
    retrain.add_argument(
        "--test",
        type=source_text,
        nargs="+",
        default=[],
        metavar="PATH",
        help="files with the test rows; without it, test rows are drawn from the ratings",
    )
    retrain.add_argument(
        "--mlflow",
        metavar="URL",
        help="MLflow server to log the run to, such as http://127.0.0.1:5000, where a release of this run becomes a "
        "registered model",
    )
    retrain.add_argument(
        "--fail-on-hold", action="store_true", help="exit with status 4 if the gate holds the candidate"
    )


def _add_answer_verbs(verb: Verb) -> None:
    predict = verb("predict", "verbs.predict", "Predict the ratings of pairs of users and movies.")
    add_store(predict)
    predict.add_argument(
        "--pairs",
        type=path,
        required=True,
        metavar="PAIRS.csv",
        help="file with one column of user ids and one of movie ids",
    )
    predict.add_argument(
        "--out",
        type=path,
        required=True,
        metavar="OUT.csv",
        help="file for the columns of PAIRS.csv and a column of predictions",
    )
    add_settings(predict, only="ingest")

    evaluate = verb(
        "evaluate", "verbs.evaluate", "Measure the champion on ratings that it was not trained on."
    )
    add_store(evaluate)
    evaluate.add_argument(
        "--test",
        type=source_text,
        nargs="+",
        required=True,
        metavar="PATH",
        help="files, folders or globs with ratings, or database queries",
    )
    add_settings(evaluate, only="ingest")
