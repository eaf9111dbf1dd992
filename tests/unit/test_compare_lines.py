"""The lines of `compare`: on a terminal of 80 columns each row has one line, whose cells do not touch."""

import argparse
from pathlib import Path

import pytest
from small_release import publish_releases

from matinee.cli import compare_verb
from matinee.formats.comparison import (
    CommonRows,
    ComparedEntry,
    ComparedFigure,
    ComparedLists,
    ComparedModelNote,
    ComparedSetting,
    ComparedSlice,
    Comparison,
    Cost,
    Difference,
)

DIGEST = "0123456789ab"
NOTHING = dict.fromkeys(Cost.model_fields)
SMALL = Difference(value=-0.000012, standard_error=0.00001, low=-0.000032, high=0.00001, verdict="unclear")
LARGE = Difference(value=0.0123, standard_error=0.001, low=0.0103, high=0.0143, verdict="worse")
UNCLEAR = Difference(value=0.0012, standard_error=0.001, low=-0.001, high=0.0032, verdict="unclear")


def _comparison(models: int) -> Comparison:
    """A release and candidates whose settings, titles and slices are long."""
    cost = Cost.model_validate(NOTHING | {"seconds_train": 12_345.6, "peak_bytes": 4_321_000_000})
    note = ComparedModelNote(
        name=DIGEST,
        kind="candidate",
        location="",
        model="dot",
        created=None,
        dataset=None,
        split=None,
        rows_fitted=None,
        figures={},
        cost=cost,
    )
    entry = ComparedEntry(movie_id=1, title="A title of many words " * 3, liked=True, shared=False)
    others = models - 1
    return Comparison(
        says=[],
        models=[note] * models,
        rows=CommonRows(split=None, test=9, rows=9, users=3, movies=3, list_users=3),
        figures=[
            ComparedFigure(
                name=name, better="lower", values=[0.87654321] * models, differences=[each] * others
            )
            for name, each in (("rmse", SMALL), ("global_mean", UNCLEAR))
        ],
        slices=[
            ComparedSlice(
                slicing="movie_rows",
                slice="1,000-9,999",
                rows=9,
                values=[0.9] * models,
                differences=[LARGE] * others,
            )
        ],
        shared_movies=[0.5] * others,
        settings=[
            ComparedSetting(name="ingest.max_reject_fraction", values=[0.0012345678901234] * models),
            ComparedSetting(name="train.titles", values=[None, *[True] * others]),
        ],
        lists=[ComparedLists(user_id=1, rated=2, best=[], lists=[[entry] * 2] * models)],
    )


@pytest.mark.parametrize("models", [2, 4, 6])
def test_each_row_fits_a_terminal_of_80_columns(
    models: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_releases(tmp_path, 1)
    monkeypatch.setattr("matinee.evaluate.comparison.compare_models", lambda *_, **__: _comparison(models))
    monkeypatch.setattr(compare_verb, "is_terminal", lambda _: True)
    monkeypatch.setenv("COLUMNS", "80")
    lines = list(
        compare_verb.compare(argparse.Namespace(store=tmp_path, models=[], user=None, out=None)).text
    )
    assert [line for line in lines[1:] if len(line) > 80] == []  # the first one is a sentence
    assert next(line.split()[1:] for line in lines if line.startswith("rmse")) == ["0.8765"] * models
    cells = [line.split()[1:] for line in lines if line.startswith(("ingest.", "figures", "train.titles"))]
    assert [len(row) for row in cells] == [models] * 3
    assert all(cell.endswith("…") for cell in cells[1]), "it says that it is cut"
    differences = [line for line in lines if line.endswith(("no clear difference", "worse"))]
    assert max(map(len, differences)) == 79
    assert {line.rindex("  ") for line in differences} == {58}
