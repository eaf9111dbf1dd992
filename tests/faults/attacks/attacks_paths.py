"""Paths that contain each other (folders, globs, links), harmful outputs, and empty paths."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from attacks.ground import Attack, Ground

MIXED, IN_STORE, EMPTY = "one is inside the other", "is inside the store", "empty"
TITLES = ["--titles", "{titles}"]
SOURCES = ["--ratings", "{ratings}", *TITLES]
PAIRS = ["--pairs", "{ratings}"]


def _move_store(place: str) -> Callable[[Ground], None]:
    """Move the store into the folder of the sources, with a link at its earlier place."""

    def prepare(ground: Ground) -> None:
        (ground.folder / place).parent.mkdir(exist_ok=True)
        ground.store.rename(ground.folder / place)
        ground.store.symlink_to(ground.folder / place)

    return prepare


def _link(name: str, target: str) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        path = ground.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(ground.folder / target)

    return prepare


def _ingest(
    name: str, ratings: Sequence[str], prepare: Callable[[Ground], None] = lambda ground: None, *says: str
) -> Attack:
    words = ["ingest", "--ratings", *ratings, *TITLES, "--store", "{store}"]
    return Attack(f"ingest {name}", words, 2, prepare, says=says or [MIXED])


def _partition(ground: Ground) -> Path:
    return next(ground.store.glob("partitions/*/ratings.parquet"))


def _link_to_partition(ground: Ground) -> None:
    (ground.folder / "links").mkdir()
    (ground.folder / "links" / "r.parquet").symlink_to(_partition(ground))


def _another_store(ground: Ground) -> None:
    shutil.copytree(ground.store, ground.folder / "data" / "backup")
    shutil.copy(ground.ratings, ground.folder / "data" / "may.csv")


def _second_store(ground: Ground) -> None:
    shutil.copytree(ground.store, ground.folder / "second")
    (ground.folder / "link").symlink_to(ground.folder / "second" / "releases")


def _copy(ground: Ground) -> None:
    shutil.copy(ground.ratings, ground.store / "r.csv")


def _database(ground: Ground) -> None:
    with contextlib.closing(sqlite3.connect(ground.store / "r.db")) as database:
        database.execute("create table ratings as select 1 as user_id, 2 as movie_id, 3 as rating")
        database.commit()
    (ground.folder / "link.db").symlink_to(ground.store / "r.db")


QUERY = "r.db?query=select user_id, movie_id, rating from ratings"


def _nothing(*names: str) -> Callable[[Ground], None]:
    def check(ground: Ground) -> None:
        assert [name for name in names if (ground.folder / name).exists()] == []

    return check


def _out(name: str, words: Sequence[str], says: str = IN_STORE, **more: Callable[[Ground], None]) -> Attack:
    return Attack(name, words, 2, says=[says], **more)


def _empty(name: str, words: Sequence[str]) -> Attack:
    return Attack(
        f"an empty path of {name}", words, 2, says=[EMPTY], check=_nothing("out.csv", "lists.parquet")
    )


LONG = "{folder}/" + "n" * 300
BACKUP = ["backup", "--store", "{store}", "--out"]
PREDICT, LISTS = ["predict", "--store", "{store}"], ["recommend", "--store", "{store}", "--user", "1"]

ATTACKS = [
    _ingest("from the folder that holds the store", ["{folder}"]),
    _ingest("from the folder that a moved store is in", ["{folder}/sources"], _move_store("sources/deep/store")),
    _ingest("from the store", ["{store}"]),
    _ingest("from a folder that holds another store", ["{folder}/data"], _another_store, "contains the store"),
    _ingest("from another store by a glob", ["{folder}/data/*/p*/*/ratings.parquet"], _another_store),
    Attack("a new store within a store", ["ingest", *SOURCES, "--store", "{store}/splits/new"], 2, says=[IN_STORE],
           check=_nothing("store/splits/new")),
    Attack("a store within a store by retrain", ["retrain", *SOURCES, "--store", "{store}/new"], 2, says=[IN_STORE]),
    _ingest("from a glob over all folders", ["{folder}/**/*.parquet"]),
    _ingest("through a link above the store", ["{folder}/links/up"], _link("links/up", ".")),
    _ingest("from a folder with a link to a file of the store", ["{folder}/links"], _link_to_partition),
    _ingest("from good files and one of the store", ["{ratings}", "{store}/log.jsonl"]),
    _ingest("from a database within the store", ["sqlite:///{store}/" + QUERY], _database),
    _ingest("from a database within the store, in capitals", ["SQLite:///{store}/releases/../" + QUERY], _database),
    _ingest("from a DuckDB file within the store", ["{ratings}", "duckdb:///{store}/" + QUERY], _database),
    _ingest(
        "from a link to a database within the store", ["sqlite:///{folder}/link.db?query=select 1"], _database
    ),
    Attack(
        "retrain from a database within the store",
        ["retrain", "--ratings", "sqlite:///{store}/" + QUERY, *TITLES, "--store", "{store}"],
        2,
        _database,
        says=[MIXED],
    ),
    Attack(
        "evaluate on a database within the store",
        ["evaluate", "--store", "{store}", "--test", "sqlite:///{store}/" + QUERY],
        2,
        _database,
        says=[MIXED],
    ),
    Attack(
        "titles of the store",
        ["ingest", "--ratings", "{ratings}", "--titles", "{store}/log.jsonl", "--store", "{store}"],
        2,
        says=[MIXED],
    ),
    Attack(
        "a new store within the sources",
        ["ingest", "--ratings", "{folder}/sources", *TITLES, "--store", "{folder}/sources/new"],
        2,
        says=[MIXED],
        check=_nothing("sources/new"),
    ),
    Attack(
        "a new store within the sources, by retrain",
        ["retrain", "--ratings", "{folder}/sources", *TITLES, "--store", "{folder}/sources/new"],
        2,
        says=[MIXED],
        check=_nothing("sources/new"),
    ),
    Attack(
        "the store as test rows",
        ["retrain", *SOURCES, "--test", "{store}", "--set", "split.strategy=given", "--store", "{store}"],
        2,
        says=[MIXED],
    ),
    Attack(
        "evaluate on the folder that holds the store",
        ["evaluate", "--store", "{store}", "--test", "{folder}"],
        2,
        says=[MIXED],
    ),
    Attack(
        "evaluate on a file within the store",
        ["evaluate", "--store", "{store}", "--test", "{store}/r.csv"],
        2,
        _copy,
        says=[MIXED],
    ),
    Attack(
        "units for a store within the drop folder",
        ["units", "--out", "{folder}/units", "--drop", "{folder}/drop", "--store", "{folder}/drop/store"],
        2,
        says=[MIXED],
        check=_nothing("units"),
    ),
    Attack(
        "units for a folder that is no store",
        ["units", "--out", "{folder}/units", "--drop", "{folder}/drop", "--store", "{foreign}"],
        2,
        says=["not a Matinee store"],
        check=_nothing("units"),
    ),
    _out("predictions in the store", [*PREDICT, *PAIRS, "--out", "{store}/out.csv"]),
    _out("predictions in place of the champion", [*PREDICT, *PAIRS, "--out", "{store}/champion.json"]),
    _out(
        "predictions through a link into the store",
        [*PREDICT, *PAIRS, "--out", "{folder}/link/out.csv"],
        prepare=_link("link", "store/releases"),
    ),
    _out("lists in the store", [*LISTS, "--out", "{store}/recommendations.parquet"]),
    _out("lists for all in a release", [*LISTS[:3], "--all", "--out", "{store}/releases/v0001/x"]),
    _out("a sample in the store", ["sample", "--out", "{store}/releases/sample", "--ratings", "1000"]),
    _out("a sample over the store", ["sample", "--out", "{store}", "--ratings", "1000"]),
    _out("a report in the store", ["report", *PREDICT[1:], "v0001", "--out", "{store}/releases/r.html"]),
    _out("a comparison in the store", ["compare", *PREDICT[1:], "v0001", "v0002", "--out", "{store}/c.html"]),
    _out("settings of a search in the store", ["tune", *SOURCES, *PREDICT[1:], "--out", "{store}/best.toml"]),
    _out("models in the store", ["export", *PREDICT[1:], "v0001", "--out", "{store}/onnx"]),
    Attack(
        "units in the store",
        ["units", "--out", "{store}/units", "--drop", "{folder}/drop", "--store", "{store}"],
        2,
        says=[IN_STORE],
    ),
    _out("a backup in another store", [*BACKUP, "{folder}/second/copy"], prepare=_second_store,
         check=_nothing("second/copy")),
    _out("a backup through a link into another store", [*BACKUP, "{folder}/link/copy"], prepare=_second_store,
         check=_nothing("second/releases/copy")),
    Attack("a doctor's store with a name too long", ["doctor", "--store", LONG], 1,
           says=["name too long"]),
    Attack("a migrated store with a name too long", ["migrate", "--store", LONG], 2,
           says=["There is no store"]),
    Attack("a backup with a name too long", [*BACKUP, LONG], 1, says=["name too long"]),
    Attack("a restoration with a name too long", ["restore", "--from", "{store}", "--store", LONG], 1,
           says=["name too long"]),
    _out("predictions over the pairs", [*PREDICT, *PAIRS, "--out", "{ratings}"], "is also an input"),
    _out(
        "predictions over the pairs by a link",
        [*PREDICT, *PAIRS, "--out", "{folder}/link.csv"],
        "is also an input",
        prepare=_link("link.csv", "sources/ratings.csv"),
    ),
    _out(
        "lists over the settings",
        [*LISTS, "--out", "{folder}/settings.toml", "--settings", "{folder}/settings.toml"],
        "is also an input",
        prepare=lambda ground: (ground.folder / "settings.toml").touch(),
    ),
    _empty("prune's store", ["prune", "--store", ""]),
    _empty("forget's store", ["forget", "--store", "", "--user", "1"]),
    _empty("doctor's store", ["doctor", "--store", ""]),
    _empty("ratings", ["ingest", "--ratings", "", *TITLES, "--store", "{store}"]),
    _empty("one of the ratings", ["ingest", "--ratings", "{ratings}", " ", *TITLES, "--store", "{store}"]),
    _empty("titles", ["retrain", "--ratings", "{ratings}", "--titles", "", "--store", "{store}"]),
    _empty("test rows", ["evaluate", "--store", "{store}", "--test", ""]),
    _empty("pairs", [*PREDICT, "--pairs", "", "--out", "{folder}/out.csv"]),
    _empty("an output", [*PREDICT, *PAIRS, "--out", ""]),
    _empty("lists", [*LISTS, "--out", "\t"]),
    _empty("a sample", ["sample", "--out", "", "--ratings", "1000"]),
    _empty("settings", [*LISTS, "--out", "{folder}/lists.parquet", "--settings", ""]),
]  # fmt: skip
