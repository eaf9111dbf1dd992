"""The result of a verb."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

# Verbs whose log lines are not printed, only warnings.
UNLOGGED: Final = {
    "backup",
    "compare",
    "completion",
    "explain",
    "export",
    "forget",
    "migrate",
    "plan",
    "predict",
    "promote",
    "prune",
    "releases",
    "report",
    "restore",
    "rollback",
    "settings",
    "show",
    "sign",
    "similar",
}


@dataclass(frozen=True)
class Outcome:
    """The result of a verb: facts for scripts, lines for people, and the exit status.

    Attributes:
        facts: What `--json` prints.
        text: What is printed without it.
        status: The exit status.
        aside: Whether stdout holds the output of the verb itself, so that the lines go to stderr.
        notable: The lines that are printed with `--quiet` too, on stderr; None if the text is an answer that was asked
            for, and not a report of something done.
    """

    facts: Any
    text: str | Sequence[str]
    status: int = 0
    aside: bool = False
    notable: Sequence[str] | None = None
