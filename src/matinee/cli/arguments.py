"""The words of the command line: each verb with its options, read strictly and complained about like all else."""

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from matinee import __version__
from matinee.cli import release_verbs, terminal, upkeep, verbs
from matinee.cli.operations import OPERATIONS
from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.environment import WEBHOOK
from matinee.ops.folders import path, path_text

_Verb = Callable[[str, Any, str], argparse.ArgumentParser]  # name, what it runs, what it says
# int() also takes 1_0, blanks and the digits of other scripts, and counts on and on.
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_FRACTION = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)(e-?[0-9]{1,3})?", re.IGNORECASE)

_NUMBER_LENGTH = 40  # characters
_COMPLAINT_LENGTH = 500


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are ConfigErrors, told like every other."""

    def error(self, message: str) -> NoReturn:
        told = shown(message, _COMPLAINT_LENGTH)
        raise ConfigError(f"{told[0].upper()}{told[1:].removesuffix('.')}. See `{self.prog} --help`.")

    def _print_message(self, message: str, file: Any = None) -> None:
        terminal.show_help(message)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The call that words make: `verb`, `run` and the verb's options. Raises ConfigError when they make none."""
    return build_parser().parse_args(words)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; the documentation is generated from it as well."""
    parser = _Parser(
        prog="matinee", description="Retrain a movie recommender and publish it when it is good enough."
    )
    parser.add_argument("--version", action="version", version=f"matinee {__version__}")
    verbs_of = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=_Parser)

    def verb(name: str, run: Any, says: str) -> argparse.ArgumentParser:
        added = verbs_of.add_parser(name, help=says, description=says, allow_abbrev=False)
        added.set_defaults(run=run)
        added.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
        added.add_argument("--verbose", action="store_true", help="show more, and the traceback of an error")
        return added

    _add_data_verbs(verb)
    _add_answer_verbs(verb)
    _add_registry_verbs(verb)
    _add_upkeep_verbs(verb)
    for name, (_, says) in OPERATIONS.items():
        verbs_of.add_parser(name, help=says, add_help=False)
    return parser


def _add_data_verbs(verb: _Verb) -> None:
    sample = verb(
        "sample", verbs.sample, "Write ratings and titles in the Netflix format, with a known best RMSE."
    )
    sample.add_argument("--out", type=path, required=True, metavar="DIR")
    sample.add_argument(
        "--ratings", type=_whole, default=1_000_000, metavar="N", help="rows, 1,000 or more (1,000,000)"
    )
    sample.add_argument("--users", type=_whole, metavar="U", help="as many as such data has, if left out")
    sample.add_argument("--movies", type=_whole, metavar="M", help="as many as such data has, if left out")
    sample.add_argument("--seed", type=_whole, default=0, metavar="S", help="other data by another (0)")
    sample.add_argument("--format", choices=["csv", "netflix"], default="csv", help="of the ratings (csv)")
    sample.add_argument(
        "--dirty", type=_fraction, default=0.0, metavar="FRACTION", help="share of bad rows to plant"
    )

    ingest = verb("ingest", verbs.ingest, "Read ratings and titles into the store.")
    retrain = verb("retrain", verbs.retrain, "Train, evaluate and publish a release if it passes the gate.")
    for added in (ingest, retrain):
        added.add_argument(
            "--ratings",
            type=path_text,
            nargs="+",
            required=True,
            metavar="PATH",
            help="files, folders or globs",
        )
        added.add_argument(
            "--titles", type=path_text, required=True, metavar="PATH", help="id, year and title of movies"
        )
        _add_store(added)
        added.add_argument("--preset", metavar="NAME", help="fast (the default) or accurate")
        _add_settings(added)
    retrain.add_argument(
        "--test",
        type=path_text,
        nargs="+",
        default=[],
        metavar="PATH",
        help="test rows, instead of drawing them",
    )
    retrain.add_argument(
        "--fail-on-hold", action="store_true", help="exit 4 when the gate holds the candidate"
    )


def _add_answer_verbs(verb: _Verb) -> None:
    predict = verb("predict", verbs.predict, "Predict ratings for pairs of users and movies.")
    _add_store(predict)
    predict.add_argument(
        "--pairs", type=path, required=True, metavar="PAIRS.csv", help="a column of users, one of movies"
    )
    predict.add_argument(
        "--out", type=path, required=True, metavar="OUT.csv", help="the same and a prediction"
    )
    _add_settings(predict)

    evaluate = verb("evaluate", verbs.evaluate, "Measure the champion on ratings that it was not trained on.")
    _add_store(evaluate)
    evaluate.add_argument(
        "--test",
        type=path_text,
        nargs="+",
        required=True,
        metavar="PATH",
        help="rating files, folders or globs",
    )
    _add_settings(evaluate)

    recommend = verb("recommend", verbs.recommend, "List the best unseen movies for users.")
    _add_store(recommend)
    recommend.add_argument("--out", type=path, required=True, metavar="OUT.parquet", help="the lists")
    whom = recommend.add_mutually_exclusive_group(required=True)
    whom.add_argument("--all", action="store_true", help="every user of the champion, as a Prefect flow")
    whom.add_argument("--user", type=_id, nargs="+", metavar="ID", help="these users")
    _add_settings(recommend)
    similar = verb("similar", verbs.similar, "List the movies most like one.")
    _add_store(similar)
    similar.add_argument("--movie", type=_id, required=True, metavar="ID")
    for added in (recommend, similar):
        added.add_argument("--top", type=_count, default=10, metavar="N", help="movies per list (10)")


def _add_registry_verbs(verb: _Verb) -> None:
    releases = verb("releases", release_verbs.releases, "List the releases.")
    _add_store(releases)
    releases.add_argument(
        "--verify", action="store_true", help="check that every file is as it was published"
    )
    releases.add_argument(
        "--public-key",
        type=path,
        metavar="FILE",
        help="check the files and that this minisign key signed them (or the variable MATINEE_PUBLIC_KEY)",
    )
    sign = verb("sign", release_verbs.sign, "Sign a release with the key in MATINEE_SIGNING_KEY.")
    _add_store(sign)
    sign.add_argument("version", metavar="VERSION", help="a release")
    promote = verb("promote", verbs.promote, "Make a release, or a candidate that was held, the champion.")
    _add_store(promote)
    promote.add_argument(
        "version",
        metavar="VERSION",
        help="a release, or the digest of a held candidate or the beginning of it",
    )
    rollback = verb("rollback", verbs.rollback, "Make the release before the champion the champion again.")
    _add_store(rollback)
    rollback.add_argument("version", nargs="?", metavar="VERSION", help="that one instead")
    prune = verb("prune", verbs.prune, "Remove old releases and what no kept one was made from.")
    _add_store(prune)
    prune.add_argument(
        "--keep",
        type=_whole,
        default=7,
        metavar="N",
        help="releases to keep, and decisions of the gate whose holds stay (7)",
    )
    forget = verb("forget", verbs.forget, "Erase a user from everything in the store, and keep the user out.")
    _add_store(forget)
    forget.add_argument("--user", type=_id, required=True, metavar="ID")


def _add_upkeep_verbs(verb: _Verb) -> None:
    alerts = verb(
        "alerts", upkeep.alerts, "Tell somebody when a scheduled run fails, hangs, is late or is held."
    )
    alerts.add_argument("action", choices=["apply", "remove"])
    to = alerts.add_mutually_exclusive_group()
    to.add_argument("--webhook", metavar="URL", help=f"whom to call (or the variable {WEBHOOK})")
    to.add_argument("--block", metavar="TYPE/NAME", help="a notification or webhook block of the server")
    doctor = verb("doctor", upkeep.doctor, "Check versions, device, clock, server, and a store.")
    doctor.add_argument("--store", type=path, metavar="S", help="a store to look at as well")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", type=path, metavar="FILE", help="settings as JSON or TOML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="one setting; wins over all"
    )


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError
    return int(text)


def _id(text: str) -> int:
    """An id as ratings may have it."""
    if (found := _whole(text)) not in range(2**63):
        raise ValueError
    return found


def _count(text: str) -> int:
    if (found := _whole(text)) < 1:
        raise ValueError
    return found


def _fraction(text: str) -> float:
    if len(text) > _NUMBER_LENGTH or not _FRACTION.fullmatch(text):
        raise ValueError
    return float(text)


# As argparse calls them in its complaints.
_whole.__name__, _id.__name__, _count.__name__, _fraction.__name__ = (
    "whole number",
    "id",
    "number above 0",
    "fraction",
)


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=path, required=True, metavar="S", help="the folder where everything is kept"
    )
