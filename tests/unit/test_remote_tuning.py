"""Searches for settings of a store in an object store: continued on other hosts, one at a time, shown and pruned."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from object_store import Address, remote_at

from matinee import ingest
from matinee.cli.main import main
from matinee.errors import StoreError
from matinee.formats.tuning import TuningResult
from matinee.maintenance.prune import prune
from matinee.pipeline.tuning import decision as deciding
from matinee.pipeline.tuning import page as showing
from matinee.pipeline.tuning import search as searching
from matinee.pipeline.tuning.run import run_here, run_search
from matinee.pipeline.tuning.search import Call, Tuning, run_call
from matinee.pipeline.tuning.sharing import extending
from matinee.pipeline.tuning.trials import Trials
from matinee.pipeline.tuning.tuned_settings import TunedSettings
from matinee.sample import write_sample
from matinee.settings.parse import read_settings
from matinee.settings.space import Range, with_values
from matinee.split import encode
from matinee.split import step as splitting
from matinee.store import Store
from matinee.store.remote.objects import ListedObject, Objects
from matinee.store.remote.searches import RemoteSearches

BASE = read_settings(assignments=["train.epochs=3", "model.embedding_size=8", "train.threads=1"])


@pytest.fixture(autouse=True)
def _short_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "rating_space", lambda _: {"train.epochs": Range(2, 5, step=1)})
    monkeypatch.setattr(searching, "FINALISTS", 1)
    for module in (searching, deciding):
        monkeypatch.setattr(module, "REPEATS", 1)
    monkeypatch.setattr(Trials, "importances", lambda _: {})
    monkeypatch.setattr(showing, "tuning_page", lambda *_: "")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ratings and titles."""
    out = tmp_path_factory.mktemp("few")
    write_sample(out, ratings=8_000, users=120, movies=100, seed=1)
    return out


def _search(place: str | Path, few: Path, *, seed: int = 0) -> Tuning:
    """The search of a store that has the steps up to the split, or makes them."""
    store, base = Store.open(Path(place)), with_values(BASE, {"train.seed": seed})
    dataset = store.ensure(
        ingest.plan(
            store, ratings=[few / "ratings.csv"], titles=few / "movie_titles.csv", settings=base.ingest
        )
    )
    encoding = store.ensure(encode.plan(store, dataset))
    split = store.ensure(splitting.plan(store, dataset, encoding, settings=base.split))
    return Tuning.open(store, split, base=base, goals=["ratings"])


def _run(search: Tuning, trials: int, run: Any = None) -> TuningResult:
    return run_search(search, trials=trials, run=run or run_here(search.store))


def _values(found: TuningResult) -> list[Any]:
    return [(note.number, note.settings, note.value) for note in found.goals[0].trials]


class _Killed(BaseException):
    """Stands for `kill -9`."""


def test_a_search_that_was_killed_on_one_host_ends_on_another_like_an_unbroken_one(
    remote: Address, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = _run(_search(tmp_path / "store", few), 4)
    search = _search(remote("first"), few)

    def run(calls: Sequence[Call]) -> None:
        if calls[0].number == 2:
            raise _Killed
        run_here(search.store)(calls)

    with pytest.raises(_Killed):
        _run(search, 4, run)
    second, ran = _search(remote("second"), few), []

    def watch(calls: Sequence[Call]) -> None:
        ran.extend(call.number for call in calls if not call.repeat)
        for call in calls:
            run_call(second.store, call)

    found = _run(second, 4, watch)
    assert ran == [2, 3]
    assert _values(found) == _values(whole)
    assert found.settings == whole.settings
    assert main(["show", "--store", remote("third"), found.study[:12]]) == 0
    assert "4 trials" in capsys.readouterr().out

    TunedSettings(second.store, BASE).keep({"train.epochs": 5}, study=found.study)
    assert TunedSettings(Store.open(Path(remote("fourth"))), BASE).settings.train.epochs == 5


def test_a_search_that_another_host_is_using_is_refused(
    remote: Address, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = _search(remote("first"), few)
    _run(search, 1)
    with extending(search.store, search.file.study):
        again = _search(remote("second"), few)
        with pytest.raises(StoreError, match=f"using the search {search.file.study} of s3://"):
            _run(again, 2)
    assert len(_run(again, 2).goals[0].trials) == 2


def test_a_process_that_was_stopped_for_too_long_overwrites_nothing(remote: Address, few: Path) -> None:
    search = _search(remote("first"), few)
    key = f"files/tunings/{search.file.study}/study.db"
    objects = remote_at(remote("first")).objects

    def run(calls: Sequence[Call]) -> None:
        run_here(search.store)(calls)
        if calls[0].number == 1:
            objects.put(key, b"with the trials of another host")

    with pytest.raises(StoreError, match="Another process has continued the search"):
        _run(search, 3, run)
    content = objects.get(key)
    assert content is not None
    assert content.data == b"with the trials of another host"


def test_a_database_of_the_cache_is_replaced_with_its_journal(
    remote: Address, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Objects.list

    def without_quotes(objects: Objects, *key: str, **after: Any) -> list[ListedObject]:
        return [replace(each, e_tag=(each.e_tag or "").strip('"')) for each in listed(objects, *key, **after)]

    monkeypatch.setattr(Objects, "list", without_quotes)  # as Azure does
    search = _search(remote("first"), few)
    whole = _run(search, 2)
    (search.folder / "study.db").write_bytes(b"")  # the power failed
    (search.folder / "study.db-journal").write_bytes(b"of a commit before")
    again = _run(_search(remote("first"), few), 3)
    assert _values(again)[:2] == _values(whole)
    assert not (search.folder / "study.db-journal").exists()
    (search.folder / "result.json").write_text("{")
    assert main(["show", "--store", remote("first"), search.file.study]) == 0


def test_reading_does_not_change_a_search_that_runs_and_shows_those_not_written_back(
    remote: Address, few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = _search(remote("first"), few)
    with pytest.raises(_Killed), search.alone():
        before = (search.folder / "study.json").stat().st_ino
        assert main(["show", "--store", remote("first"), search.file.study]) == 0
        assert (search.folder / "study.json").stat().st_ino == before
        raise _Killed
    assert "not finished" in capsys.readouterr().out
    _run(search, 1)
    remote_at(remote("second")).searches.remove(search.file.study)
    with pytest.raises(StoreError, match="was removed meanwhile"):
        _run(search, 1)


def test_prune_removes_old_searches_on_all_hosts_but_none_that_is_used(
    remote: Address, few: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = [_search(remote("first"), few, seed=seed) for seed in (1, 2, 3)]
    for search in searches:
        _run(search, 1)
        time.sleep(1.1)  # objects have times in whole seconds
    names = [search.file.study for search in searches]
    assert main(["show", "--store", remote("second"), names[1]]) == 0
    with extending(searches[0].store, names[0]), monkeypatch.context() as patch:
        assert prune(Store.open(Path(remote("first"))).root, keep=1).searches == 1
        patch.setattr(RemoteSearches, "is_extended", lambda *_: False)  # it begins after prune has looked
        assert prune(Store.open(Path(remote("second"))).root, keep=1).searches == 0
        assert prune(Store.open(Path(remote("first"))).root, keep=1).searches == 0
    there = {name.split("/")[1] for name in remote_at(remote("first")).files.names("tunings/")}
    assert there == {names[0], names[2]}
    assert prune(Store.open(Path(remote("first"))).root, keep=1).searches == 1
    assert not remote_at(remote("first")).objects.list(f"searches/{names[0]}")
    assert main(["show", "--store", remote("second"), names[1]]) == 2
    assert f"Searches: {names[2]}." in capsys.readouterr().err
