"""Searches for settings: resumed, on valid rows alone, and believed only beyond noise."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from calls import Answer
from page_checks import check_page
from sqlalchemy import event
from sqlalchemy.engine import Engine

from matinee.cli.main import main
from matinee.errors import ConfigError, DivergenceError, StoreError
from matinee.formats.tuning import TrialNote, TuningResult
from matinee.maintenance.doctor import examine
from matinee.maintenance.prune import prune
from matinee.pipeline.tuning import decision as deciding
from matinee.pipeline.tuning import page as showing
from matinee.pipeline.tuning import search as searching
from matinee.pipeline.tuning import trials as storing
from matinee.pipeline.tuning.run import run_here, run_search
from matinee.pipeline.tuning.scores import TrialFit
from matinee.pipeline.tuning.search import Call, Tuning, run_call
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.settings.space import Range, with_values
from matinee.store import Reference, Store
from matinee.store.progress import Progress, silent

BASE = read_settings(assignments=["train.epochs=4", "model.embedding_size=8", "train.threads=1"])
Split = Callable[..., tuple[Store, Reference]]


SPACE = {"train.epochs": Range(2, 5, step=1), "train.learning_rate": Range(0.02, 0.2, log=True)}


@pytest.fixture(autouse=True)
def _no_syncs() -> Iterator[None]:
    """SQLite does not wait for the disk."""

    def set_up(connection: Any, _: Any) -> None:
        connection.execute("pragma synchronous=off")

    event.listen(Engine, "connect", set_up)
    yield
    event.remove(Engine, "connect", set_up)


@pytest.fixture(autouse=True)
def _short_fits(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(searching, "rating_space", lambda _: SPACE)
    monkeypatch.setattr(searching, "FINALISTS", 1)
    for module in (searching, deciding):
        monkeypatch.setattr(module, "REPEATS", 1)
    if "files" not in request.node.name:  # the test of the files has the page as it is
        monkeypatch.setattr(storing.Trials, "importances", lambda _: {})
        monkeypatch.setattr(showing, "tuning_page", lambda *_: "")


def _tune(store: Store, split: Reference, trials: int, **given: Any) -> TuningResult:
    search = Tuning.open(store, split, base=BASE, goals=given.pop("goals", ["ratings"]))
    return run_search(search, trials=trials, **{"run": run_here(store), **given})


def _essence(notes: Sequence[TrialNote]) -> list[Any]:
    """All of the trials but their times."""
    return [(note.number, note.state, note.settings, note.value) for note in notes]


class _Killed(BaseException):
    """Stands for `kill -9`: nothing of ours catches it."""


def _die_in_second_epoch(point: Progress) -> None:
    if point.epoch == 2 and point.valid_rmse is None:
        raise _Killed


def _killing(store: Store, places: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs calls, and is killed once at each place: before a trial, in its fit, or before its score is kept."""
    left = list(places)

    def run(calls: Sequence[Call]) -> None:
        for call in calls:
            here = next((place for number, place in left if number == call.number and not call.repeat), None)
            if here is not None:
                left.remove((call.number, here))
            if here == "before":
                raise _Killed

            def die(*_: Any, **__: Any) -> None:
                raise _Killed

            with monkeypatch.context() as patch:
                if here == "after":
                    patch.setattr(storing.Trials, "finish", die)
                    patch.setattr(storing.Trials, "add_base", die)
                run_call(store, call, listener=_die_in_second_epoch if here == "within" else silent)

    return run


def test_a_killed_search_ends_with_the_trials_of_an_unbroken_one(
    planted_split: Split, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(storing, "_RANDOM_TRIALS", 2)  # the sampler goes by the scores from here on
    store, split = planted_split()
    whole = _tune(store, split, 6).goals[0]
    (store.root / "tunings").rename(tmp_path / "whole")
    (store.root / "candidates").rename(tmp_path / "candidates")

    run = _killing(store, [(0, "after"), (2, "within"), (3, "before"), (4, "after")], monkeypatch)
    for _ in range(4):
        with pytest.raises(_Killed):
            _tune(store, split, 6, run=run)
    broken = _tune(store, split, 6, run=run).goals[0]
    assert [note.number for note in broken.trials] == [0, 1, 2, 3, 4, 5]
    assert _essence(broken.trials) == _essence(whole.trials)
    assert broken.finalists == whole.finalists
    assert len({str(note.settings) for note in whole.trials}) == 6


def test_more_trials_continue_a_search_and_finished_ones_are_not_run_again(planted_split: Split) -> None:
    store, split = planted_split()
    first = _tune(store, split, 2)
    ran: list[Call] = []

    def run(calls: Sequence[Call]) -> None:
        ran.extend(calls)
        run_here(store)(calls)

    second = _tune(store, split, 3, run=run, minutes=1)
    assert second.study == first.study
    assert [call.number for call in ran if not call.repeat] == [2]
    assert _essence(second.goals[0].trials[:2]) == _essence(first.goals[0].trials)
    assert (
        len(_tune(store, split, 9, minutes=1e-9).goals[0].trials) == 3
    )  # nothing is started when it is late


def test_test_rows_are_not_looked_at(planted_split: Split, tmp_path: Path) -> None:
    store, split = planted_split()
    before = _tune(store, split, 3, goals=["ratings", "lists"])
    for kind in ("tunings", "candidates", "rankings"):
        (store.root / kind).rename(tmp_path / kind)
    for division in store.root.glob("splits/*/"):
        if division.name != split.digest:
            assert pq.read_metadata(division / "test.parquet").num_rows == 0
            division.rename(tmp_path / division.name)
    test = store.path(split) / "test.parquet"
    rows = pq.read_table(test)
    poison = pa.array(np.where(rows["rating"].to_numpy() > 3, 1, 5).astype(np.float32))
    pq.write_table(rows.set_column(rows.column_names.index("rating"), "rating", poison), test)
    after = _tune(store, split, 3, goals=["ratings", "lists"])
    for one, other in zip(before.goals, after.goals, strict=True):
        assert _essence(one.trials) == _essence(other.trials)
        assert one.finalists == other.finalists


def test_a_failed_trial_keeps_its_error_and_counts(
    planted_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = TrialFit.score

    def fail(fit: TrialFit, *given: Any) -> Any:
        assert (fit.settings.train.time, fit.settings.train.titles) == ("off", "off")  # a run adds both
        if fit.values and not fit.repeat:
            raise DivergenceError("The fit diverged.")
        return score(fit, *given)

    monkeypatch.setattr(TrialFit, "score", fail)
    store, split = planted_split()
    found = _tune(store, split, 3).goals[0]
    assert [(note.state, note.error) for note in found.trials] == [
        ("complete", None),
        *[("failed", "DivergenceError: The fit diverged.")] * 2,
    ]
    assert found.chosen == 0


def test_an_error_of_the_disk_stops_the_search_and_the_trial_is_run_again(
    planted_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, split = planted_split()
    _tune(store, split, 1)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(TrialFit, "score", lambda *_: (_ for _ in ()).throw(OSError("full")))
        _tune(store, split, 2)
    assert [note.state for note in _tune(store, split, 2).goals[0].trials] == ["complete", "complete"]


def test_the_files_of_a_search(planted_split: Split, tmp_path: Path) -> None:
    store, split = planted_split()
    umask = os.umask(0o002)
    try:
        found = _tune(store, split, 3, goals=["ratings", "lists"], out=tmp_path / "mine.toml")
    finally:
        os.umask(umask)
    folder = store.folder("tunings", found.study)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o664}
    assert {path.name for path in folder.iterdir()} == {
        *("study.json", "study.db", "result.json", "best.toml", "report.html")
    }
    best = read_settings(file=tmp_path / "mine.toml")
    assert best == with_values(Settings.model_validate(BASE.model_dump()), found.settings)
    page = (tmp_path / "mine.html").read_text("utf-8")
    assert page.count('role="img"') >= 2
    check_page(page)
    assert json.loads((folder / "result.json").read_text("utf-8"))["goals"][1]["metric"] == "ndcg_at_10"


def test_show_says_what_a_search_has_found_also_before_it_ends(
    planted_split: Split, answer_of: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    store, split = planted_split()
    search = Tuning.open(store, split, base=BASE, goals=["ratings"])
    show = ["show", search.file.study[:6], "--store", str(store.root)]
    assert main(show) == 0
    assert "not finished" in capsys.readouterr().out, "before the first trial"
    assert list(search.folder.iterdir()) == [search.folder / "study.json"], "to look at it changes nothing"
    run_call(store, search.calls("ratings", trials=2, workers=1)[0])
    assert main(show) == 0
    assert "ratings   1 trial: 1 finished" in capsys.readouterr().out
    found = run_search(search, trials=2, run=run_here(store))
    assert main(show) == 0
    printed = capsys.readouterr().out
    assert found.goals[0].says.partition(": ")[2] in printed
    assert (f"use       --settings {search.folder / 'best.toml'}" in printed) == bool(found.settings)
    assert len(printed.splitlines()) < 24
    facts = answer_of(*show)
    assert (facts["kind"], facts["finished"], facts["goals"][0]["trials"]) == (
        "search",
        True,
        {"complete": 2},
    )
    assert main(["show", "0000", "--store", str(store.root)]) == 2
    assert f"Searches: {search.file.study}" in capsys.readouterr().err


def test_two_processes_do_not_use_one_search(planted_split: Split) -> None:
    store, split = planted_split()
    search = Tuning.open(store, split, base=BASE, goals=["ratings"])
    with search.alone(), pytest.raises(StoreError, match="Another process"):
        run_search(search, trials=1, run=run_here(store))


def test_plays_have_no_ratings_to_tune(planted_split: Split) -> None:
    store, split = planted_split()
    manifest = store.path(split) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"feedback": "implicit"}))
    with pytest.raises(ConfigError, match="--goal lists"):
        Tuning.open(store, split, base=BASE, goals=["ratings"])
    assert Tuning.open(store, split, base=BASE, goals=["ratings", "lists"]).file.goals == ["lists"]


def test_prune_keeps_the_newest_searches_and_doctor_names_a_damaged_one(planted_split: Split) -> None:
    store, split = planted_split()
    folders = []
    for seed in (1, 2, 0):
        base = with_values(BASE, {"train.seed": seed})
        search = Tuning.open(store, split, base=base, goals=["ratings"])
        run_search(search, trials=1, run=run_here(store))
        folders.append(search.folder)
    with searching.Tuning.load(store, folders[0].name).alone():
        prune(store.root, keep=1)
        assert [folder.exists() for folder in folders] == [True, False, True]
    prune(store.root, keep=1)
    assert [folder.exists() for folder in folders] == [False, False, True]
    (folders[2] / "study.json").write_text("{")
    (folders[2] / "study.db").write_bytes(b"no database" * 400)
    warned = "\n".join(check.said for check in examine(store.root) if check.status == "warn")
    assert "study.json" in warned
    assert "study.db is damaged" in warned
    with pytest.raises(StoreError, match=r"study\.db can't be used: [^(\n]*\. Check"):
        _tune(store, split, 1)


def test_a_file_or_a_link_in_place_of_the_folder_of_searches_is_reported(
    planted_split: Split, tmp_path: Path
) -> None:
    store, split = planted_split()
    place, theirs = store.root / "tunings", tmp_path / "theirs"
    place.write_text("mine")
    with pytest.raises(StoreError, match=r"tunings.*Not a directory"):
        _tune(store, split, 1)
    place.unlink()
    theirs.mkdir()
    place.symlink_to(theirs)
    with pytest.raises(ConfigError, match="tunings is a symbolic link"):
        _tune(store, split, 1)
    assert not list(theirs.iterdir())
