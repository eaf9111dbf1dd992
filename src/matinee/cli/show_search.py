"""What `matinee show` prints of a search for settings."""

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Final

from matinee.cli.figure_names import FIGURE_NAMES
from matinee.cli.show_facts import made_at, show_dataset_if_kept
from matinee.cli.show_lines import data_lines, setting_lines, size_of
from matinee.cli.show_settings import changed_settings
from matinee.errors.text import minute
from matinee.formats.shown import ShownGoal, ShownSearch
from matinee.formats.tuning import STATES_IN_WORDS, Goal, StudyFile, TrialNote, TuningResult
from matinee.settings import Settings
from matinee.store import Store
from matinee.store.documents import TRIALS, TUNINGS, Document, read_as, read_if_there
from matinee.store.folders import bytes_in

_FILES: Final = {"settings": "best.toml", "page": "report.html"}
_MOST: Final = 4  # settings of a line
_SCORES: Final = {"ratings": "rmse", "lists": "ndcg_at_10"}


def show_search(store: Store, study: str) -> ShownSearch:
    """The facts of a search. One that has not finished has the trials so far, if Optuna is installed to read them.

    Raises StoreError if a file is damaged.
    """
    folder = store.root / TUNINGS / study
    begun = read_as(folder / StudyFile.NAME, StudyFile)
    result = read_if_there(folder / TuningResult.NAME, TuningResult)
    base = Settings.model_validate(begun.settings).spelled_out().model_dump(mode="json")
    return ShownSearch(
        kind="search",
        name=study,
        finished=result is not None,
        location=str(folder),
        bytes=bytes_in(folder),
        made=made_at(folder / TuningResult.NAME)
        if result
        else begun.begun or made_at(folder / StudyFile.NAME),
        seconds=result.seconds if result else None,
        goals=_goals_of(result) if result else _goals_so_far(store, begun),
        found=result.settings if result else {},
        settings=changed_settings(Document(base)),
        dataset=show_dataset_if_kept(store, begun.dataset),
        files={name: str(folder / file) for name, file in _FILES.items() if (folder / file).is_file()},
    )


def search_lines(shown: ShownSearch) -> Iterator[str]:
    """A search: its trials, what it has found, and where that is."""
    yield f"search    {shown.name}, {'finished' if shown.finished else 'not finished'}"
    yield f"{'made' if shown.finished else 'begun':<8}  {minute(shown.made)}"
    if shown.dataset is None:
        yield "data      the dataset is no longer in the store"
    else:
        yield from data_lines(shown.dataset)
    yield from setting_lines(shown.settings)
    for goal in shown.goals:
        yield from _goal_lines(goal)
    if shown.finished:
        found = ", ".join(f"{name}={value}" for name, value in shown.found.items())
        yield f"found     {found or 'nothing better: the base settings stay'}"
    else:
        yield (
            "next      its rows are no longer in the store, so it can't be continued"
            if shown.dataset is None
            else "next      run the same `matinee tune` again to continue it"
        )
    for name, file in shown.files.items():
        if name != "settings":
            yield f"{name:<8}  {file}"
        elif shown.found:
            yield f"use       --settings {file}"
    spent = "" if shown.seconds is None else f"; the last call took {shown.seconds:.1f} s"
    yield f"folder    {shown.location}, {size_of(shown.bytes)}{spent}"


def _goals_of(result: TuningResult) -> list[ShownGoal]:
    return [
        _goal(each.goal, each.trials, says=each.says, importances=each.importances) for each in result.goals
    ]


def _goals_so_far(store: Store, begun: StudyFile) -> list[ShownGoal]:
    if find_spec("optuna") is None or not (store.root / TUNINGS / begun.study / TRIALS).is_file():
        return [_goal(goal, []) for goal in begun.goals]
    from matinee.pipeline.tuning.search import Tuning  # noqa: PLC0415 - needs Optuna, an extra

    search = Tuning.load(store, begun.study)
    return [_goal(goal, search.trials[goal].notes()) for goal in begun.goals]


def _goal(
    goal: Goal,
    trials: Sequence[TrialNote],
    *,
    says: str | None = None,
    importances: dict[str, float] | None = None,
) -> ShownGoal:
    whole = [note for note in trials if note.state == "complete" and note.value is not None]
    sign = 1 if goal == "ratings" else -1
    return ShownGoal(
        goal=goal,
        trials=dict(Counter(note.state for note in trials)),
        says=says,
        best=min(whole, key=lambda note: sign * (note.value or 0), default=None),
        importances=importances or {},
    )


def _trial(number: int) -> str:
    return f"trial {number}" if number else "the base settings"


def _goal_lines(shown: ShownGoal) -> Iterator[str]:
    counts = ", ".join(f"{count} {STATES_IN_WORDS[state]}" for state, count in shown.trials.items())
    count = sum(shown.trials.values())
    yield f"{shown.goal:<8}  {count} {'trial' if count == 1 else 'trials'}{': ' if counts else ''}{counts}"
    if shown.says:
        yield f"          {shown.says.partition(': ')[2]}"
    best = shown.best
    if best is not None and best.value is not None:
        values = ", ".join(f"{name}={value}" for name, value in best.settings.items())
        name = FIGURE_NAMES[_SCORES[shown.goal]]
        yield f"          best single fit: {_trial(best.number)}, valid {name} {best.value:.4f} ({values})"
    if shares := sorted(shown.importances.items(), key=lambda item: -item[1])[:_MOST]:
        yield f"          most important: {', '.join(f'{name} {share:.0%}' for name, share in shares)}"
