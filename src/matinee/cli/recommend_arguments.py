"""The verbs `recommend`, `similar` and `explain` with their options."""

import argparse

from matinee.cli.shared_options import Verb, add_settings, add_store
from matinee.cli.values import count, id_, years
from matinee.ops.folders import path


def add_recommend_verbs(verb: Verb) -> None:
    """Add the verbs to a command line."""
    recommend = verb(
        "recommend",
        "recommend_verbs.recommend",
        "For each user, list the best movies that the user has not rated.",
    )
    add_store(recommend)
    recommend.add_argument(
        "--out",
        type=path,
        metavar="OUT.parquet",
        help="Parquet file for the lists; required with --all. With --user alone, all lists are printed in full. With "
        "--user and --out, only the first 3 are printed, with at most 10 movies each",
    )
    users = recommend.add_mutually_exclusive_group(required=True)
    users.add_argument(
        "--all",
        action="store_true",
        help="run a Prefect flow that makes lists for all users of the champion; requires --out",
    )
    users.add_argument("--user", type=id_, nargs="+", metavar="ID", help="ids of the users")
    _add_narrowing(recommend)
    add_settings(recommend, only="recommend")
    similar = verb("similar", "recommend_verbs.similar", "List the movies that are most similar to a movie.")
    add_store(similar)
    similar.add_argument("--movie", type=id_, required=True, metavar="ID", help="id of the movie")
    for added in (recommend, similar):
        added.add_argument(
            "--top", type=count, default=10, metavar="N", help="number of movies per list (default 10)"
        )
    explain = verb(
        "explain",
        "recommend_verbs.explain",
        "Show which of a user's ratings contribute most to a movie's score.",
    )
    add_store(explain)
    explain.add_argument("--user", type=id_, required=True, metavar="ID", help="id of the user")
    explain.add_argument("--movie", type=id_, required=True, metavar="ID", help="id of the movie")
    explain.add_argument("--top", type=count, default=10, metavar="N", help="number of reasons (default 10)")


def _add_narrowing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--exclude",
        type=id_,
        nargs="+",
        default=[],
        metavar="ID",
        help="ids of movies to leave out of every list",
    )
    parser.add_argument(
        "--only", type=path, metavar="FILE", help="list only movies of this file, one id per line"
    )
    parser.add_argument(
        "--years", type=years, metavar="FROM-TO", help="list only movies of these years, such as 1990-1999"
    )
    parser.add_argument(
        "--per-franchise",
        type=count,
        metavar="N",
        help="list at most N movies per franchise (titles with the same words before a colon, such as "
        "'Star Trek: ...')",
    )
    parser.add_argument("--per-year", type=count, metavar="N", help="list at most N movies per year")
