"""Compare releases and candidates: what differs between them, and whether it shows on rows that none was trained on."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from matinee.errors import ConfigError
from matinee.evaluate.comparison.common_lists import measure_lists
from matinee.evaluate.comparison.common_rows import SharedTestRows, find_common_rows
from matinee.evaluate.comparison.differences import error_figures, find_doubts, list_figures, slice_figures
from matinee.evaluate.comparison.shown_lists import show_lists
from matinee.evaluate.comparison.subjects import find_subjects
from matinee.evaluate.metrics import count_clusters
from matinee.formats.comparison import (
    CommonRows,
    ComparedFigure,
    ComparedSetting,
    ComparedSlice,
    Comparison,
    DifferenceVerdict,
)
from matinee.formats.written_settings import by_full_name
from matinee.store import Store, progress

_CLEAR: Final[tuple[DifferenceVerdict, ...]] = ("better", "worse")
FIGURES = {"rmse": "RMSE", "mae": "MAE", "ndcg_at_10": "nDCG@10", "recall_at_10": "recall@10"}


def compare_models(store: Store, names: Sequence[str], *, users: Sequence[str] = ()) -> Comparison:
    """Compare models of a store on test rows that none of them was trained on.

    Args:
        store: The store.
        names: At least two versions, folders of releases, or first characters of digests of candidates or evaluations.
            Differences are those from the first one.
        users: Users whose lists are shown; if empty, five of those who liked a test row.

    Returns:
        The comparison. Without common rows, the figures are missing.

    Raises:
        ConfigError: A name or a user is unknown, or the models cannot be compared.
        StoreError: The rows that a model was trained on cannot be read.
    """
    if len(names) < 2:
        raise ConfigError("One model can't be compared. Name at least two.")
    subjects = find_subjects(store, names)
    progress.begin("reading common test rows")
    rows = find_common_rows(store, subjects)
    there = rows is not None and bool(rows.unseen.any())
    lists = measure_lists(rows, subjects) if rows and there else []
    errors = [rows.errors(each) for each in subjects] if rows and there and not subjects[0].plays else []
    progress.begin("measuring")
    figures = error_figures(rows, errors) if rows and errors else []
    if lists and len(lists[0].ndcg):
        figures += list_figures(lists)
    slices = slice_figures(rows, errors) if rows and errors else []
    found = [subject.note for subject in subjects]
    list_users = len(lists[0].ndcg) if lists else 0
    return Comparison(
        says=[
            *_say([note.name for note in found], figures, slices),
            *(find_doubts(rows, subjects, list_users=list_users) if rows and there else [_why_not(rows)]),
        ],
        models=found,
        rows=_describe(rows, list_users),
        figures=figures,
        slices=slices,
        shared_movies=[each.shared_with(lists[0]) for each in lists[1:]],
        settings=differing_settings([subject.settings for subject in subjects]),
        lists=show_lists(rows, subjects, users) if rows else [],
    )


def _describe(rows: SharedTestRows | None, list_users: int) -> CommonRows:
    if rows is None:
        return CommonRows(split=None, test=0, rows=0, users=0, movies=0, list_users=0)
    judged = rows.judged
    return CommonRows(
        split=rows.manifest.digest,
        test=len(rows.test),
        rows=len(judged),
        users=count_clusters(judged.users),
        movies=count_clusters(judged.movies),
        list_users=list_users,
    )


def _why_not(rows: SharedTestRows | None) -> str:
    if rows is None:
        return (
            "The splits of these models were removed by `matinee prune` or `matinee forget`, so there are no rows to "
            "compare them on. Retrain, and compare them with the new candidate."
        )
    return (
        f"Each of the {len(rows.test):,} test rows was a train or valid row of one of the models, so errors and lists "
        "can't be compared."
    )


def _say(
    names: Sequence[str], figures: Sequence[ComparedFigure], slices: Sequence[ComparedSlice]
) -> Iterator[str]:
    """What was found of each model after the first."""
    for place, name in enumerate(names[1:] if figures else ()):
        verdicts = {FIGURES[figure.name]: figure.differences[place].verdict for figure in figures}
        yield f"{name} against {names[0]}: {_in_words(verdicts)}."
        found = Counter(each.differences[place].verdict for each in slices)
        if clear := [f"clearly {word} on {found[word]}" for word in _CLEAR if found[word]]:
            yield f"Of {len(slices)} slices, {name} is {' and '.join(clear)}."


def _in_words(verdicts: Mapping[str, DifferenceVerdict]) -> str:
    found = {word: [name for name, verdict in verdicts.items() if verdict == word] for word in _CLEAR}
    parts = [f"{word} in {', '.join(named)}" for word, named in found.items() if named]
    if parts:
        return " and ".join(parts)
    if set(verdicts.values()) == {"same"}:
        return "no difference"
    return "no clear difference, as each 95% interval contains 0"


def differing_settings(settings: Sequence[Mapping[str, JsonValue]]) -> list[ComparedSetting]:
    """The settings that are not the same everywhere, with their section: `train.seed`."""
    flat = [by_full_name(each) for each in settings]
    names = dict.fromkeys(name for each in flat for name in each)
    found = [ComparedSetting(name=name, values=[each.get(name) for each in flat]) for name in names]
    return [each for each in found if any(value != each.values[0] for value in each.values)]
