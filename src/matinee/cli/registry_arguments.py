"""The verbs that list, show and change releases, with their options."""

from matinee.cli.shared_options import Verb, add_store
from matinee.cli.values import id_, whole
from matinee.ops.folders import path


def add_registry_verbs(verb: Verb) -> None:
    """Add the verbs to a command line."""
    releases = verb("releases", "release_verbs.releases", "List the releases.")
    add_store(releases)
    releases.add_argument(
        "--verify", action="store_true", help="check every file against the checksums of its release"
    )
    releases.add_argument(
        "--public-key",
        type=path,
        metavar="FILE",
        help="check the checksums and, with this minisign key, the signatures (default: MATINEE_PUBLIC_KEY, if it is "
        "set)",
    )
    show = verb(
        "show",
        "show_verb.show",
        "Show the details of a release, a dataset, a candidate, an evaluation or a search of `tune`.",
    )
    add_store(show)
    show.add_argument(
        "name",
        nargs="?",
        default="champion",
        metavar="NAME",
        help="version of a release, or the first characters of the digest of a dataset, a candidate, an "
        "evaluation or a search of `tune` (default: the champion)",
    )
    sign = verb(
        "sign",
        "release_verbs.sign_one",
        "Sign a release with the key in the file that MATINEE_SIGNING_KEY names.",
    )
    add_store(sign)
    sign.add_argument("version", metavar="VERSION", help="name of the release, such as v0002")
    _add_changes(verb)


def _add_changes(verb: Verb) -> None:
    """The verbs that change what the store has."""
    promote = verb(
        "promote", "verbs.promote", "Turn a release, or a candidate that the gate held, into the champion."
    )
    add_store(promote)
    promote.add_argument(
        "version",
        metavar="VERSION",
        help="name of a release, or the first characters of the digest of a held candidate",
    )
    rollback = verb("rollback", "verbs.rollback", "Go back to the previous champion.")
    add_store(rollback)
    rollback.add_argument(
        "version", nargs="?", metavar="VERSION", help="release to go back to (default: the previous champion)"
    )
    prune = verb("prune", "verbs.prune", "Remove old releases, and data that no kept release needs.")
    add_store(prune)
    prune.add_argument(
        "--keep",
        type=whole,
        default=7,
        metavar="N",
        help="number of newest releases, and of newest searches of `tune`, to keep (default 7). The champion, the "
        "previous champion, the anchor and the candidates held in the last N gate decisions are always kept. The "
        "anchor is an earlier release that each candidate is also compared with, so that small losses of quality do "
        "not add up over many releases (`matinee settings gate.decay`)",
    )
    forget = verb(
        "forget",
        "forget_verb.forget",
        "Erase a user from the store, and skip the user's rows in future runs.",
    )
    add_store(forget)
    forget.add_argument("--user", type=id_, required=True, metavar="ID", help="id of the user")
