"""The fuzzed files: a small store with each kind of file, sources in each format, and how they are restored."""

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from fuzzing.databases import duckdb_of, sqlite_of
from minisign import KeyPair
from packed import tar, zipped

import matinee
from matinee import ingest
from matinee.ingest.inbox.intake import remember, take_in
from matinee.maintenance.forget import forget
from matinee.recommend import recommend_some
from matinee.registry import Registry
from matinee.release.signature import SIGNING_KEY, sign
from matinee.sample import write_sample
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.train.checkpoint import FitState, save_checkpoint
from matinee.train.ranking.krylov import KrylovState

NOBODY = 987_654_321  # a user without ratings who is forgotten
SETTINGS = [
    "train.epochs=2",
    "gate.tolerance=1",
    "model.embedding_size=4",
    "train.refit=all",
    "gate.min_rows=1",
]
SETTINGS += ["gate.drift=false", "gate.slices=false", "gate.decay=false"]
SETTINGS += ["ingest.max_reject_fraction=0.05"]  # with rejects, so each table has rows
_TOML = b'[train]\nepochs = 20\nrefit = "all"\n\n[gate]\ntolerance = 0.002\n'
_JSON = (
    b'{"train": {"epochs": 20, "learning_rate": 0.05}, "ingest": {"scale": "1-5"}, "gate": {"drift": true}}\n'
)


def settings_of(seed: int, *more: str) -> Settings:
    """Settings with which the sample trains quickly and is published."""
    return read_settings(assignments=[*SETTINGS, f"train.seed={seed}", *more])


def build(folder: Path) -> None:
    """Build the sources and a store with every kind of file.

    Two releases, a held candidate, a series, lists, forgotten users, the state of a night, checkpoints; a store of
    plays, and one of text ids.
    """
    warnings.simplefilter("ignore")
    inputs, store, drop = folder / "inputs", folder / "store", folder / "drop"
    write_sample(folder / "sample", ratings=1000, users=40, movies=30, seed=1, dirty=0.008)
    write_sample(folder / "long", ratings=3500, users=150, movies=60, seed=1)
    _write_inputs(folder / "sample", inputs, long=(folder / "long" / "ratings.csv").read_bytes())
    for made in ("sample", "long"):
        shutil.rmtree(folder / made)
    half = inputs / "half.csv"
    half.write_bytes(b"\n".join((inputs / "ratings.csv").read_bytes().split(b"\n")[:500]) + b"\n")
    opened = Store.open(store)
    matinee.retrain(half, inputs / "titles.csv", store, settings=settings_of(0))
    forget(store, NOBODY)
    drop.mkdir()
    for name in ("half.csv", "titles.csv"):
        shutil.copy(inputs / name, drop)
    held = settings_of(2, "gate.min_rows=100000")
    for settings in (settings_of(1), held):
        matinee.retrain(inputs / "ratings.csv", inputs / "titles.csv", store, settings=settings)
    remember(opened, take_in(opened, drop, titles="titles.csv", settings=Settings(), settle_seconds=0))
    opened.ensure(  # the other files that cases read exist already
        ingest.plan(
            opened, ratings=[inputs / "netflix.txt"], titles=inputs / "titles.csv", settings=Settings().ingest
        )
    )
    registry = Registry.open(store)
    release = matinee.load(registry.champion_folder())
    pair = KeyPair.generate()
    (inputs / "key.pub").write_bytes(bytes(pair.public_key))
    (inputs / "key.sec").write_bytes(bytes(pair.secret_key))
    os.environ[SIGNING_KEY] = str(inputs / "key.sec")
    for version in registry.versions():
        sign(registry.folder(version))
    del os.environ[SIGNING_KEY]
    lists = registry.lists(release.version)
    lists.parent.mkdir(exist_ok=True)
    recommend_some(release, release.users.ids[:5].tolist(), out=lists, top=3)
    _build_plays(folder)
    _build_texts(folder)
    basis = np.arange(24, dtype=np.float32).reshape(6, 4)
    save_checkpoint(
        store / "work" / ("1" * 20) / "ranking.safetensors", {"basis": basis}, KrylovState(done=1)
    )
    save_checkpoint(
        store / "work" / ("0" * 20) / "fit.safetensors",
        dict(release.weights),
        FitState(epoch=1, best_rmse=0.9),
    )


def _build_plays(folder: Path) -> None:
    """A store of plays: two releases, of which the second was compared with the first."""
    plays = folder / "inputs" / "plays.csv"
    rows = [f"{user},{movie}\n" for user in range(40) for movie in range(30) if (user * movie + movie) % 3]
    plays.write_text("user_id,movie_id\n" + "".join(rows))
    for seed in (0, 1):
        matinee.retrain(
            plays, folder / "inputs" / "titles.csv", folder / "plays", settings=plays_settings(seed)
        )


def _build_texts(folder: Path) -> None:
    """A store whose users and movies have text ids."""
    texts = folder / "inputs" / "texts.csv"
    cells = [(user, movie) for user in range(30) for movie in range(20) if (user * movie + movie) % 3]
    rows = [f"u{user}-é,m{movie},{1 + (user + movie) % 5}\n" for user, movie in cells]
    texts.write_text("user_id,movie_id,rating\n" + "".join(rows))
    matinee.retrain(texts, None, folder / "texts", settings=settings_of(0, "ingest.max_reject_fraction=0"))


def plays_settings(seed: int) -> Settings:
    """Settings with which plays are trained and published."""
    limits = ("gate.min_rows=1", "gate.drift=false", "gate.decay=false", "gate.ranking_tolerance=1")
    return read_settings(assignments=["ingest.feedback=implicit", f"rank.iterations={2 + seed}", *limits])


def _write_hive(folder: Path, table: pl.DataFrame) -> None:
    """A folder of Hive, whose ratings are in the names of its folders."""
    user, movie = table.columns[:2]
    for rating in (4, 5):
        part = folder / f"rating={rating}"
        part.mkdir(parents=True)
        table.select(user, movie).slice(20 * (rating - 4), 20).write_parquet(part / "part-0.parquet")


def _write_delta(folder: Path, table: pl.DataFrame) -> None:
    """A Delta table of two files, with a checkpoint and a commit after it."""
    log = folder / "_delta_log"
    log.mkdir(parents=True)
    for place in (0, 1):
        table.slice(20 * place, 20).write_parquet(folder / f"part-{place}.parquet")
    add = {"path": "part-0.parquet", "partitionValues": {"year": "2003"}, "size": 1, "stats": "{}"}
    protocol = {"minReaderVersion": 1, "minWriterVersion": 2}
    schema = pa.schema(
        [
            (
                "add",
                pa.struct([("path", pa.string()), ("partitionValues", pa.map_(pa.string(), pa.string()))]),
            ),
            ("remove", pa.struct([("path", pa.string())])),
            ("protocol", pa.struct([("minReaderVersion", pa.int32()), ("minWriterVersion", pa.int32())])),
        ]
    )
    first = {"path": add["path"], "partitionValues": [("year", "2003")]}
    rows = [{"add": first}, {"protocol": protocol}, {"remove": {"path": "gone.parquet"}}]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), out)
    (log / f"{0:020}.checkpoint.parquet").write_bytes(out.getvalue())
    later = [
        {"add": {**add, "path": "part-1.parquet"}},
        {"remove": {"path": "old.parquet"}},
        {"commitInfo": {}},
    ]
    (log / f"{1:020}.json").write_text("".join(json.dumps(action) + "\n" for action in later))


def _write_inputs(sample: Path, inputs: Path, *, long: bytes) -> None:
    """Ratings, titles, pairs and settings in each format; `long` is longer than the part that recognition reads."""
    ratings, titles = (sample / "ratings.csv").read_bytes(), (sample / "movie_titles.csv").read_bytes()
    rows = ratings.split(b"\n")
    pairs = b"\n".join(b",".join(row.split(b",")[:2]) for row in rows[:30]) + b"\n"
    netflix = (
        b"8:\n"
        + b"\n".join(
            b",".join(row.split(b",")[i] for i in (0, 2, 3)) for row in rows[1:30] if row.count(b",") == 3
        )
        + b"\n"
    )
    triples = b"\n".join(b"\t".join(row.split(b",")[:3]) for row in rows[1:30] if row.count(b",") == 3)
    table = pl.read_csv(b"\n".join(row for row in rows[:120] if row.count(b",") == 3), infer_schema_length=0)
    parts = {"mv_1.txt": netflix, "mv_2.txt": netflix.replace(b"8:", b"18:"), "readme.md": b"# ratings\n"}
    files = {
        "ratings.csv": ratings,
        "netflix.txt": netflix,
        "ratings.csv.gz": gzip.compress(long, 1),
        "ratings.csv.zst": pa.compress(long, "zstd", asbytes=True),
        "ratings.tar": tar(parts),
        "ratings.tar.gz": gzip.compress(tar(parts), 1),
        "ratings.zip": zipped(parts),
        "ratings.csv.bz2": bz2.compress(long),
        "ratings.csv.xz": lzma.compress(long, preset=0),
        "utf-16.csv": b"\n".join(rows[:300]).decode("utf-8", "replace").encode("utf-16"),
        "ratings.inter": b"user_id:token\titem_id:token\trating:float\n" + triples + b"\n",
        "titles.csv": titles,
        "titles.csv.gz": gzip.compress(titles, 1),
        "movies.dat": b"8::Heat (1995)::Action\n18::Alien (1979)::Horror\n",
        "pairs.csv": pairs,
        "pairs.csv.gz": gzip.compress(pairs, 1),
        "probe.txt": b"8:\n6\n7\n18:\n6\n",
        "settings.json": _JSON,
        "settings.toml": _TOML,
    }
    inputs.mkdir(parents=True)
    for name, data in files.items():
        (inputs / name).write_bytes(data)
    table = table.with_columns(pl.col(table.columns[2]).cast(pl.Float64, strict=False))
    table.write_parquet(inputs / "ratings.parquet")
    table.write_ipc(inputs / "ratings.arrow", compression="zstd", compat_level=pl.CompatLevel.oldest())
    table.write_ndjson(inputs / "ratings.jsonl")
    _write_delta(inputs / "delta", table)
    _write_hive(inputs / "hive", table)
    cells = [
        (int(user), int(movie), rating, "2003-01-01") for user, movie, rating, _ in table.head(60).rows()
    ]
    (inputs / "ratings.sqlite").write_bytes(sqlite_of(cells))
    (inputs / "ratings.duckdb").write_bytes(duckdb_of(cells))


@dataclass
class Ground:
    """A copy of the result of `build`, which cases corrupt and `restore` restores."""

    template: Path
    root: Path
    _whole: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.copytree(self.template, self.root)
        self._whole = self._look()

    @property
    def store(self) -> Path:
        """The store."""
        return self.root / "store"

    @property
    def inputs(self) -> Path:
        """The folder of sources, pairs and settings."""
        return self.root / "inputs"

    @property
    def out(self) -> Path:
        """The folder that a case can write to."""
        return self.root / "out"

    @property
    def new_store(self) -> Path:
        """A store that does not exist before a case."""
        return self.root / "new"

    def write(self, name: str, data: bytes) -> None:
        """Replace a file by one with these bytes."""
        path = self.root / name
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def _look(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        waiting = [(str(self.root), "")]
        while waiting:
            place, inside = waiting.pop()
            with os.scandir(place) as entries:
                for entry in entries:
                    name = inside + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        found[name] = ()
                        waiting.append((entry.path, f"{name}/"))
                    else:
                        found[name] = _print(entry.stat(follow_symlinks=False))
        return found

    def restore(self) -> None:
        """Restore the file."""
        now = self._look()
        for name in sorted(now.keys() - self._whole.keys(), reverse=True):
            path = self.root / name
            path.rmdir() if now[name] == () else path.unlink()
        for name in sorted(name for name, print_ in self._whole.items() if now.get(name) != print_):
            path = self.root / name
            if self._whole[name] == ():
                path.mkdir()
                continue
            path.unlink(missing_ok=True)
            shutil.copy2(self.template / name, path)
            self._whole[name] = _print(path.lstat())


def _print(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode
