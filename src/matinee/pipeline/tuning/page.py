"""The page of a search: the result, plots, the repeats of the best trials, and all trials."""

from matinee.evaluate.tables import Table
from matinee.formats.tuning import STATES_IN_WORDS, GoalResult, StudyFile, TuningResult
from matinee.pipeline.tuning.plots import LABELS, history_plot, importance_plot
from matinee.publish.report.numbers import cell_text, even_texts
from matinee.publish.report.pages import render

_TITLES = {"ratings": "Predicted ratings", "lists": "Lists"}


def tuning_page(file: StudyFile, result: TuningResult) -> str:
    """The search as one HTML file.

    Args:
        file: What was searched.
        result: What was found.
    """
    return render(
        "tune.html",
        result=result,
        file=file,
        titles=_TITLES,
        changes=Table(("setting", "value"), list(result.settings.items())),
        sections=[
            {
                "result": goal,
                "label": LABELS[goal.metric],
                "history": history_plot(goal),
                "importance": importance_plot(goal),
                "finalists": finalist_table(goal),
                "trials": trial_table(goal),
                "space": space_table(file, goal),
            }
            for goal in result.goals
        ],
    )


def finalist_table(result: GoalResult) -> Table:
    """The repeated settings next to the base settings; scores are means over the repeats."""
    rows: list[tuple[object, ...]] = []
    for each in result.finalists:
        mean = sum(each.scores) / len(each.scores) if each.scores else None
        found = each.difference
        apart = "" if found is None else f"{found.value:+.4f} ± {found.standard_error:.4f}"
        name, chosen = ("base settings", "kept") if each.trial == 0 else (f"trial {each.trial}", "chosen")
        marked = f"{name} ({chosen})" if each.trial == result.chosen else name
        rows.append((marked, each.searched, len(each.scores), mean, apart))
    return Table(("settings", "in the search", "repeats", "mean", "difference ± standard error"), rows)


def trial_table(result: GoalResult) -> Table:
    """All trials, in their order. The settings come first: a phone shows the left columns."""
    names = list(dict.fromkeys(name for note in result.trials for name in note.settings))
    searched = [even_texts([note.settings.get(name) for note in result.trials]) for name in names]
    failed = any(note.error for note in result.trials)
    rows = [
        (
            note.number,
            note.value,
            *(texts[place] for texts in searched),
            f"{note.seconds:,.1f}",
            STATES_IN_WORDS[note.state],
            *([note.error or ""] if failed else ()),
        )
        for place, note in enumerate(result.trials)
    ]
    return Table(("trial", "score", *names, "seconds", "state", *(["error"] if failed else ())), rows)


def space_table(file: StudyFile, result: GoalResult) -> Table:
    """The ranges that were searched."""
    space = file.spaces[result.goal]
    rows = [
        (name, cell_text(each.low), cell_text(each.high), "logarithmic" if each.log else "linear")
        for name, each in space.items()
    ]
    return Table(("setting", "from", "to", "scale"), rows)
