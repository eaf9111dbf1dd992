"""After forget, the user is nowhere in the store and stays out. The champion answers other users as before."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from spoiled_stores import BASE, DAMAGE, WHO, cut_users, empty_manifest, link_work, lose_manifest

import matinee
from matinee import ingest
from matinee.cli.main import main
from matinee.errors import StoreError
from matinee.maintenance import forget
from matinee.maintenance.doctor import examine
from matinee.maintenance.removal import hide
from matinee.registry import Registry
from matinee.release import sha256, verify
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.store.documents import read_json
from matinee.store.erased_users import Forgotten

Steps = Callable[..., Any]  # the fixture

FAST = read_settings(assignments=["train.epochs=3", "gate.tolerance=1"])


@pytest.fixture(scope="module")
def ratings(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with large ids. WHO has lines that are rejected for four reasons, and a duplicate pair."""
    frame = pl.read_csv(sample / "ratings.csv")
    ids = frame.columns[0]
    places = frame[ids].rank("dense").cast(pl.Int64)
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    text = frame.with_columns((BASE + 2 * places).alias(ids)).write_csv()
    first = next(line for line in text.splitlines() if line.startswith(f"{WHO},"))
    movie = first.split(",")[1]
    bad = [
        f"{WHO},3,eleven,2005-01-01",
        f"{WHO},4,99,2005-01-01",
        f"{WHO}",
        f'"{WHO},5,4',
        f"{BASE + 2},6,x,",
    ]
    path.write_text(text + "\n".join([*bad, f"{WHO},{movie},5,2099-01-01"]) + "\n")
    return path


@pytest.fixture(scope="module")
def titles(sample: Path) -> Path:
    return sample / "movie_titles.csv"


def _traces(root: Path, user_id: int) -> Iterator[str]:
    """The places of an id in a folder: names, bytes, and all values of tables and arrays."""
    number = re.compile(rf"(?<!\d){user_id}(?!\d)")
    raw = user_id.to_bytes(8, "little")
    for path in root.rglob("*"):
        if number.search(path.name):
            yield f"{path}: name"
        if not path.is_file():
            continue
        data = path.read_bytes()
        if raw in data or number.search(data.decode("latin-1")):
            yield f"{path}: bytes"
        if path.suffix == ".parquet":
            for column in pq.read_table(path).columns:
                if any(number.search(str(value)) for value in column.unique().to_pylist()):
                    yield f"{path}: {column.type}"
        if path.suffix == ".npy" and (np.load(path) == user_id).any():
            yield f"{path}: array"


@pytest.fixture(scope="module")
def two_nights(steps: Steps, ratings: Path, titles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two releases, and with leftovers of a killed split and a killed training."""
    store = Store.open(tmp_path_factory.mktemp("nights") / "store")
    steps(store, ratings, titles, FAST)
    steps(store, ratings, titles, read_settings(assignments=["train.epochs=4", "gate.tolerance=1"]))
    for left in (f"work/{'0' * 20}", f"splits/{'0' * 20}.partial"):
        (store.root / left).mkdir(parents=True)
        (store.root / left / "users.csv").write_text(f"{WHO}")
    return store.root


@pytest.fixture
def store(two_nights: Path, tmp_path: Path) -> Store:
    shutil.copytree(two_nights, tmp_path / "store")
    return Store(tmp_path / "store")


def test_the_user_is_erased_and_other_users_get_the_same_answers(
    store: Store, steps: Steps, ratings: Path, titles: Path
) -> None:
    registry = Registry(store.root)
    assert list(_traces(store.root, WHO))
    lists = [registry.champion_folder() / name for name in ("LISTS.md", "report.html")]
    assert all(path.exists() for path in lists)
    before = matinee.load(registry.champion_folder())
    code = int(before.users.encode(np.array([WHO]))[0])
    others = np.delete(before.users.ids, code)
    asked = np.repeat(others, 3), np.tile(before.movies.ids[:3], len(others))
    predicted, listed = before.predict(*asked), before.recommend(int(others[code]), 5)

    done = forget.forget(store.root, WHO)

    assert done.found
    assert done.releases == registry.versions() == ["v0001", "v0002"]
    assert list(_traces(store.root, WHO)) == []
    assert not any(path.exists() for path in lists), "anyone may be among their users"
    after = matinee.load(registry.champion_folder())
    levels, first, last = before.catalog.seen_levels, *before.catalog.seen_offsets[code : code + 2]
    assert levels is not None
    assert after.catalog.seen_levels is not None
    assert after.catalog.seen_levels.tolist() == [*levels[:first].tolist(), *levels[last:].tolist()]
    assert not list(store.root.glob("rankings/*")), "they were fitted to the user's ratings as well"
    assert after.users.ids.tolist() == others.tolist()
    assert after.predict(*asked).tolist() == predicted.tolist()
    assert after.recommend(int(others[code]), 5) == listed
    assert after.predict([WHO], [3]) == after.predict([1], [3])
    assert before.recommend(WHO, 3)  # a program that loaded the release earlier keeps using it
    assert after.manifest["forgotten"] == 1

    assert steps(store, ratings, titles, FAST).release == "v0003"
    assert list(_traces(store.root, WHO)) == []
    manifest = verify(registry.champion_folder())
    assert manifest["split"]["inherited"]
    assert manifest["judged_against"] == "v0002"
    dataset = store.manifest("datasets", manifest["dataset"])
    assert dataset["rows_read"] == dataset["rows"] + dataset["rows_rejected"]
    theirs = sum(line.startswith((f"{WHO}", f'"{WHO}')) for line in ratings.read_text().splitlines())
    rejects = pl.read_parquet(store.folder("partitions", dataset["partitions"][0]) / "rejects.parquet")
    assert rejects.filter(raw="").height == theirs
    assert rejects.filter(pl.col("raw") != "")["raw"].to_list() == [f"{BASE + 2},6,x,"]
    told = (store.root / "log.jsonl").read_text()
    assert '"action": "forget"' in told


def test_the_gate_finds_the_train_rows_of_a_champion_with_a_shuffled_split(
    tmp_path: Path, steps: Steps, ratings: Path, titles: Path
) -> None:
    store = Store.open(tmp_path / "store")
    settings = read_settings(assignments=["train.epochs=3", "gate.tolerance=1", "split.strategy=shuffle"])

    def pairs_of_test() -> pl.DataFrame:
        release = matinee.load(Registry(store.root).champion_folder())
        rows = pl.read_parquet(
            store.folder("splits", release.manifest["split"]["digest"]) / "test.parquet"
        ).to_numpy()
        codes = rows[:, 0].astype(np.int32), rows[:, 1].astype(np.int32)
        return pl.DataFrame(
            {"user": release.users.decode(codes[0]), "movie": release.movies.decode(codes[1])}
        )

    first = steps(store, ratings, titles, settings)
    before = pairs_of_test().filter(pl.col("user") != WHO)
    forget.forget(store.root, WHO)
    kept = store.manifest("splits", verify(Path(first.location or ""))["split"]["digest"])
    assert pairs_of_test().equals(before)
    assert kept["counts"]["test"] == sum(kept["counts_per_rating"]["test"].values()) == before.height
    second = steps(store, ratings, titles, settings)
    decision = read_json(store.folder("evaluations", second.evaluation) / "decision.json")
    fresh = pairs_of_test().join(before, on=["user", "movie"], how="semi").height
    assert decision["rows"]["compared"] == fresh > 0


@pytest.mark.parametrize("dies_at", range(1, 7))
def test_a_killed_forget_is_finished_by_the_next(
    dies_at: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = dies_at

    def mortal(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return function(*given)

        return call

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            forget, "_exchange", lambda one, other: False
        )  # a file system that cannot exchange folders
        patch.setattr(forget, "hide", mortal(hide))
        forget.forget(store.root, WHO)
    assert Forgotten.read(store.root).holds(WHO)
    forget.forget(store.root, WHO)
    assert list(_traces(store.root, WHO)) == []
    registry = Registry(store.root)
    assert [verify(registry.folder(version)).version for version in registry.versions()] == [
        "v0001",
        "v0002",
    ]


def test_an_absent_user_is_skipped_in_future(
    store: Store, ratings: Path, titles: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = {path.name: sha256(path) for path in (store.root / "releases").rglob("*.*") if path.is_file()}
    call = ["forget", "--store", str(store.root), "--json", "--user"]
    assert main([*call, str(BASE + 1)]) == 0
    assert json.loads(capsys.readouterr().out) == {"found": False, "releases": [], "folders": 0}
    after = {path.name: sha256(path) for path in (store.root / "releases").rglob("*.*") if path.is_file()}
    assert before == after
    more = tmp_path / "more.csv"
    more.write_text(f"user,movie,rating\n{BASE + 1},3,4\n{BASE + 2},3,4\n")
    dataset = store.ensure(ingest.plan(store, ratings=[more], titles=titles, settings=FAST.ingest))
    assert pl.concat(ingest.iter_ratings(store, dataset))["user_id"].to_list() == [BASE + 2]
    assert list(_traces(store.root, BASE + 1)) == []


def test_forget_is_refused_while_a_run_is_active(store: Store) -> None:
    with store.in_use(), pytest.raises(StoreError, match="A run is using"):
        forget.forget(store.root, WHO)
    assert list(_traces(store.root, WHO))
    with store.alone():
        pass


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_folders_are_removed_as_if_they_contained_the_user(
    damage: Callable[[Path], Any], store: Store
) -> None:
    damage(store.root)
    done = forget.forget(store.root, WHO)
    assert done.releases == ["v0001", "v0002"]
    assert list(_traces(store.root, WHO)) == []
    assert not list(store.root.glob("outlooks/*/*"))
    assert not [path for path in store.root.rglob("*") if path.is_fifo()]


@pytest.mark.parametrize("spoil", [link_work, cut_users, empty_manifest, lose_manifest])
def test_an_unreadable_place_is_named_after_all_other_work_is_done(
    spoil: Callable[[Path], str], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    place = spoil(store.root)
    for _ in range(2):
        assert main(["forget", "--store", str(store.root), "--user", str(WHO)]) == 1
        said = capsys.readouterr().err
        assert f"{store.root}/{place}" in said
        assert "Unexpected" not in said
    left = store.root / place
    left.unlink() if left.is_symlink() else shutil.rmtree(left)
    assert list(_traces(store.root, WHO)) == []
    verify(store.root / "releases" / "v0002")
    assert [entry.action for entry in Registry(store.root).log()][-2:] == ["forget", "forget"]


def test_a_damaged_list_of_forgotten_users_stops_ingest(
    store: Store, ratings: Path, titles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forget.forget(store.root, WHO)
    path = store.root / "forgotten.json"
    whole = path.read_text()
    flipped = whole.replace('"hashes": [\n    "', '"hashes": [\n    "0').replace('",\n', '",\n')
    for damage in (
        "",
        "[]",
        whole[:-9],
        flipped,
        whole.replace(whole.split('"')[3][:4], "0000", 1),
        '{"key": "", "hashes": []}',
        '{"key": 1}',
    ):
        path.write_text(damage)
        for words in (
            ["ingest", "--ratings", str(ratings), "--titles", str(titles)],
            ["forget", "--user", "1"],
        ):
            assert main([words[0], "--store", str(store.root), *words[1:]]) == 1
            said = capsys.readouterr().err
            assert "forgotten.json" in said
            assert "Restore it from a backup" in said
            assert "emove" not in said
        assert {check.name: check.status for check in examine(store.root)}["files"] == "fail"
    path.unlink()
    assert [check.status for check in examine(store.root) if check.name == "files"] == ["fail"]
