"""The page of a search for settings, from its result."""

from pathlib import Path

from matinee.formats.tuning import TuningResult
from matinee.publish.markdown import escape, page, table


def tuning_report(found: TuningResult) -> str:
    """The result of a search for settings, and a link to its page."""
    return page(
        "Search for settings",
        *(escape(goal.says) for goal in found.goals),
        table(["setting", "value"], list(found.settings.items())) if found.settings else "",
        f"File for `--settings`: {escape(found.out)}",
        f"[{escape(Path(found.page).name)}]({Path(found.page).absolute().as_uri()}) has the plots and all trials.",
    )
