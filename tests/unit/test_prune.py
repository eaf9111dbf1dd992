"""Prune removes only folders that nothing kept refers to, also while others publish."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
from calls import Answer

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from drill_registry import digest
from drill_registry import hold_night as _hold
from drill_registry import make_folder as _folder
from drill_registry import publish_night as _publish

from matinee.cli.main import main
from matinee.errors import ConfigError
from matinee.formats.base import Manifest
from matinee.maintenance.prune import prune
from matinee.registry import Registry
from matinee.store import Plan, Store
from matinee.store.locks import lock_folder

LONG_AGO = 1_000_000_000
KINDS = ("dataset", "encoding", "split", "candidate", "evaluation")
NAMES = {
    digest(name): name
    for name in ["old", "new", "newer", "orphan", "killed", "dead"]
    + [f"{kind}-{night}" for kind in KINDS for night in "12345678"]
}


def _age(root: Path) -> None:
    """Give all files and all lines of the log an old time."""
    for path in [*root.rglob("*"), root]:
        os.utime(path, (LONG_AGO, LONG_AGO))
    log = root / "log.jsonl"
    entries = [
        json.loads(line) | {"at": "2001-09-09T01:46:40+00:00"} for line in log.read_text().splitlines()
    ]
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def _there(root: Path) -> set[str]:
    """The readable names of the digests in a store."""
    found = (path.name for kind in root.iterdir() if kind.is_dir() for path in kind.iterdir())
    return {
        ".".join([NAMES.get(name.partition(".")[0], name.partition(".")[0]), *name.split(".")[1:]])
        for name in found
    }


def _made(*names: str) -> set[str]:
    return {f"{kind}-{name}" for name in names for kind in ("dataset", "encoding", "split", "candidate")}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five nights, of which the first two share a partition, and a candidate that nothing refers to."""
    store = Store.open(tmp_path / "store")
    for night, partition in enumerate(("old", "old", "new", "new", "new"), 1):
        _publish(store, str(night), partition=partition)
    _folder(store, "candidates", "orphan", split=digest("split-5"))
    (store.root / "work" / digest("killed")).mkdir(parents=True)
    _age(store.root)
    return store


def test_the_newest_releases_are_kept_with_their_inputs(store: Store) -> None:
    done = prune(store.root, keep=2)
    assert (done.releases, done.kept) == (["v0001", "v0002", "v0003"], ["v0004", "v0005"])
    assert _there(store.root) == {"v0004", "v0005", "new"} | _made("4", "5")
    assert done.folders == 3 * 4 + 3  # three nights; the old partition, the orphan, the checkpoints
    assert done.bytes > 0
    assert Registry(store.root).next_version() == "v0006"


def test_champion_and_predecessor_are_kept_at_any_age(store: Store) -> None:
    registry = Registry(store.root)
    registry.rollback("v0002")
    _age(store.root)
    done = prune(store.root, keep=1)
    assert done.why == {"v0001": "previous champion", "v0002": "champion", "v0005": "among the newest"}
    assert done.kept == [*done.why]
    assert registry.rollback() == "v0001"
    assert {"old"} | _made("1", "2", "5") <= _there(store.root)


def test_the_anchor_is_kept_at_any_age(store: Store) -> None:
    registry = Registry(store.root)
    registry.point_to("v0005", action="publish", reason="test", anchor="v0002")
    _age(store.root)
    assert prune(store.root, keep=1).kept == ["v0002", "v0004", "v0005"]
    assert registry.anchor() == "v0002"


def test_ranking_models_of_kept_releases_and_evaluations_are_kept(store: Store) -> None:
    held, shipped, _ = (_folder(store, "rankings", name) for name in ("held", "shipped", "old"))
    manifest = Registry(store.root).folder("v0005") / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"shipped_ranking": shipped}))
    candidate = digest("orphan")
    evaluation = _folder(store, "evaluations", "evaluation-5", candidate=candidate, ranking=held)
    Registry(store.root).record("hold", candidate=candidate, evaluation=evaluation, reason="test")
    _age(store.root)
    prune(store.root, keep=1)
    assert {path.name for path in (store.root / "rankings").iterdir()} == {held, shipped}


def test_recently_held_candidates_are_kept_with_their_inputs(store: Store) -> None:
    _hold(store, "6", partition="newer")
    _publish(store, "7", partition="newer")
    _age(store.root)
    held = {"newer", "evaluation-6"} | _made("6")
    done = prune(store.root, keep=2)
    assert (done.held, done.kept) == ([digest("candidate-6")], ["v0005", "v0006"])
    assert held <= _there(store.root)
    _publish(store, "8", partition="newer")
    _age(store.root)
    done = prune(store.root, keep=2)
    # The last two decisions were not holds.
    assert (done.held, done.held_removed) == ([], [digest("candidate-6")])
    assert [entry.candidate for entry in Registry(store.root).log() if entry.action == "prune"][
        -1:
    ] == done.held_removed
    assert _there(store.root) & held == {"newer"}


def test_what_is_removed_is_counted_once(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for night in "67":
        _hold(store, night, partition="newer")
    searches = [store.root / "tunings" / digest(f"search-{number}") for number in "123"]
    for search in searches:
        search.mkdir(parents=True)
    for night in "789":  # the first is the held one, which is what `promote` does
        _publish(store, night, partition="newer")
    _age(store.root)
    for search in searches[1:]:
        os.utime(search)
    before = _there(store.root)
    assert main(["prune", "--store", str(store.root), "--keep", "2"]) == 0
    releases_removed = 6
    others = len(before - _there(store.root)) - releases_removed - 2  # the held candidate and the search
    said = capsys.readouterr().out
    assert f", v0005, v0006, 1 held candidate, 1 search and {others} other folders that no kept" in said


def test_the_lists_of_a_removed_release_are_removed(store: Store) -> None:
    lists = [Registry(store.root).lists(version) for version in ("v0003", "v0004")]
    lists[0].parent.mkdir()
    for path in lists:
        path.touch()
    prune(store.root, keep=2)
    assert [path.exists() for path in lists] == [False, True]


def test_folders_that_an_active_run_uses_are_kept(store: Store) -> None:
    with store.in_use():
        assert store.take(Plan("datasets", digest("dataset-1"), lambda _: Manifest()))
        prune(store.root, keep=1)  # its inputs are kept too
        assert {"dataset-1", "old"} <= _there(store.root)
        assert "split-1" not in _there(store.root)
    time.sleep(0.02)  # file times have a resolution of some milliseconds
    prune(store.root, keep=1)
    assert not {"dataset-1", "old"} & _there(store.root)


def test_an_unfinished_folder_of_an_active_run_is_kept_with_its_checkpoints(store: Store) -> None:
    partial = store.root / "candidates" / f"{digest('killed')}.partial"
    dead = store.root / "candidates" / f"{digest('dead')}.partial"
    dead.mkdir()
    with lock_folder(partial):
        for path in (partial, dead):
            os.utime(path, (LONG_AGO, LONG_AGO))
        prune(store.root, keep=1)
        assert {"killed.partial", "killed"} <= _there(store.root)
    assert "dead.partial" not in _there(store.root)
    prune(store.root, keep=1)
    assert "killed" not in _there(store.root)


def test_folders_of_a_dead_run_are_removed(store: Store) -> None:
    dead = store.root / "running" / "12345-dead"
    dead.mkdir()
    os.utime(dead, (LONG_AGO - 1, LONG_AGO - 1))
    prune(store.root, keep=1)
    assert not dead.exists()
    assert "orphan" not in _there(store.root)


def test_leftovers_of_a_killed_prune_are_removed(store: Store) -> None:
    split = store.root / "splits" / digest("split-1")
    split.rename(split.with_name(f"{split.name}.pruned"))
    prune(store.root, keep=5)
    assert not {"split-1", "split-1.pruned"} & _there(store.root)


def test_the_verb_reports_kept_and_removed_releases(store: Store, answer_of: Answer) -> None:
    said = answer_of("prune", "--store", str(store.root), "--keep", "3")
    assert (said["releases"], said["kept"]) == (["v0001", "v0002"], ["v0003", "v0004", "v0005"])
    with pytest.raises(ConfigError, match="--keep is 0"):
        prune(store.root, keep=0)


def test_a_clock_set_back_before_prune_removes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(tmp_path / "store")
    for name in ("a", "b", "c"):
        _publish(store, name, partition="all")
    with store.in_use():
        later = time.time() + 3600
        for run_lock in (store.root / "running").iterdir():
            os.utime(
                run_lock, (later, later)
            )  # as if the clock had been set back by an hour since the run began
        done = prune(store.root, keep=1)
    assert (done.releases, done.folders) == ([], 0)
    assert "clock was set back" in caplog.text


def test_a_clock_set_back_during_prune_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(tmp_path / "store")
    for name in ("a", "b"):
        _folder(store, "datasets", name)
    time_of, calls = time.time, []

    def set_back() -> float:
        calls.append(1)
        return time_of() - (3600 if len(calls) > 2 else 0)

    monkeypatch.setattr("matinee.maintenance.prune.time.time", set_back)
    time.sleep(0.01)
    assert prune(store.root, keep=1).folders == 1
    assert "clock was set back" in caplog.text


def test_decreasing_log_times_keep_every_later_champion(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    for name in ("a", "b", "c", "d"):
        _publish(store, name, partition="all")
    log = store.root / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line, hour in zip(lines, ("00", "01", "23", "02"), strict=True):
        line["at"] = f"2099-01-01T{hour}:00:00+00:00" if hour == "23" else f"2020-01-01T{hour}:00:00+00:00"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert prune(store.root, keep=1).kept == ["v0002", "v0003", "v0004"]


@pytest.mark.parametrize("damage", ["", "[1]", '{"a": ' * 900 + "1" + "}" * 900, "\x00", '{"rows": 1e999}'])
def test_a_damaged_manifest_of_a_kept_folder_is_named_and_nothing_is_removed(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open(tmp_path / "store")
    for name in ("a", "b", "c"):
        _publish(store, name, partition="all")
    manifest = store.root / "candidates" / digest("candidate-c") / "manifest.json"
    manifest.write_text(damage)
    before = set(store.root.rglob("*"))
    assert main(["prune", "--store", str(store.root), "--keep", "1"]) == 1
    said = capsys.readouterr().err
    assert f"{manifest}" in said
    assert "Unexpected" not in said
    assert before <= set(store.root.rglob("*"))


def test_foreign_files_are_kept_and_links_are_not_followed(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, foreign = store.root, tmp_path / "foreign"
    mine = [root / name for name in ("datasets/mine", "work/v1.pruned", "running/mine")]
    for place in (*mine, foreign / "work"):
        place.mkdir(parents=True)
        (place / "thesis.txt").write_text("mine")
    (foreign / digest("a")).mkdir()
    (foreign / "v0001.parquet").write_text("mine")
    (root / "outlooks").symlink_to(foreign)
    (root / "splits" / digest("b")).symlink_to(foreign)
    (root / "recommendations").symlink_to(foreign)
    release = tmp_path / "v0001"
    (root / "releases" / "v0001").rename(release)
    (root / "releases" / "v0001").symlink_to(release)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(root) or "mine" in str(path)}
    assert prune(root, keep=1).releases == ["v0002", "v0003"]
    assert before <= set(tmp_path.rglob("*"))
    assert (root / "releases" / "v0001").is_symlink()
    assert caplog.text.count("is a symbolic link") == 3


def test_temporaries_of_killed_writers_are_removed(store: Store) -> None:
    dead = 2**22 + 1
    left = [store.root / name for name in (f".champion.json.{dead}", f".probe-{dead}", f".notes.json.{dead}")]
    for path in left:
        path.touch()
    prune(store.root, keep=5)
    assert [path.exists() for path in left] == [False, False, True]
