"""What bench/ingest.py measures: Matinee, polars and pandas on files and on a database."""

import os
from collections.abc import Callable
from pathlib import Path

TABLE = "matinee_bench"


Work = Callable[[], object]


def sync(path: Path) -> None:
    """Wait until a file has reached the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def database() -> str | None:
    """The address of the database to measure."""
    return os.environ.get("MATINEE_BENCH_DATABASE")


def bare(data: Path, scratch: Path) -> Work:
    """The fastest form of polars: types are given, columns are streamed to Parquet, nothing is checked."""
    import polars as pl

    schema = {"userID": pl.Int64, "movieID": pl.Int64, "rating": pl.Float32, "date": pl.Date}
    out = scratch / "bare.parquet"

    def work() -> None:
        pl.scan_csv(data / "ratings.csv", schema=schema).sink_parquet(out)
        sync(out)

    return work


def pandas(data: Path, scratch: Path) -> Work:
    """Pandas as in a typical notebook."""
    import pandas as pd
    import pyarrow as _  # noqa: F401 - what to_parquet imports

    out = scratch / "pandas.parquet"

    def work() -> None:
        pd.read_csv(data / "ratings.csv", parse_dates=["date"]).to_parquet(out)
        sync(out)

    return work


def bare_zip(data: Path, scratch: Path) -> Work:
    """Polars does not read zip: the file is unpacked to the disk first."""
    import zipfile

    def work() -> None:
        with zipfile.ZipFile(data / "zip" / "ratings.zip") as packed:
            packed.extract("ratings.csv", scratch)
        bare(scratch, scratch)()

    return work


def bare_jsonl(data: Path, scratch: Path) -> Work:
    """The fastest form of polars, for JSON lines."""
    import polars as pl

    schema = {"user_id": pl.Int64, "movie_id": pl.Int64, "rating": pl.Float32, "date": pl.String}
    out = scratch / "bare.parquet"

    def work() -> None:
        rows = pl.scan_ndjson(data / "jsonl" / "ratings.jsonl", schema=schema)
        rows.with_columns(pl.col("date").str.to_date()).sink_parquet(out)
        sync(out)

    return work


def bare_postgresql(data: Path, scratch: Path) -> Work:
    """What polars reads a database with: all rows are in memory."""
    import polars as pl

    out = scratch / "bare.parquet"

    def work() -> None:
        pl.read_database_uri(f"select * from {TABLE}", database() or "", engine="adbc").write_parquet(out)
        sync(out)

    return work


def ingest_postgresql(data: Path, scratch: Path) -> Work:
    """Matinee, on the rows of a query."""
    from matinee.ingest.databases import snapshots

    def work() -> None:
        with snapshots(scratch / "store", [f"{database()}?query=select * from {TABLE}"]) as (path,):
            ingest(data, scratch, files=(str(path),))()

    return work


def ingest(
    data: Path, scratch: Path, *, duplicates: str = "latest", files: tuple[str, ...] = ("ratings.csv",)
) -> Work:
    """Matinee, on a new store or on an existing store."""
    from matinee import ingest as library
    from matinee.settings.ingest import IngestSettings
    from matinee.store import Store

    def work() -> None:
        store = Store.open(scratch / "store")
        settings = IngestSettings.model_validate({"duplicates": duplicates})
        ratings = [data / file for file in files]
        plan = library.plan(store, ratings=ratings, titles=data / "movie_titles.csv", settings=settings)
        store.ensure(plan)

    return work


def bare_texts(data: Path, scratch: Path) -> Work:
    """The fastest form of polars, for text ids."""
    import polars as pl

    schema = {"userID": pl.String, "movieID": pl.String, "rating": pl.Float32, "date": pl.Date}
    out = scratch / "bare.parquet"

    def work() -> None:
        pl.scan_csv(data / "text" / "ratings.csv", schema=schema).sink_parquet(out)
        sync(out)

    return work


def nightly(data: Path, scratch: Path) -> Work:
    """Matinee, with one new file in addition to the files in the store."""
    return ingest(data, scratch, files=("ratings.csv", "new.csv"))


def encode_and_split(data: Path, scratch: Path) -> Work:
    """Encode and split, on the dataset in the store."""
    from matinee import split
    from matinee.settings import SplitSettings
    from matinee.split import encode
    from matinee.store import Store

    def work() -> None:
        store = Store.open(scratch / "store")
        dataset = store.reference("datasets", next((scratch / "store" / "datasets").iterdir()).name)
        encoding = store.ensure(encode.plan(store, dataset))
        store.ensure(split.plan(store, dataset, encoding, settings=SplitSettings()))

    return work


CASES: dict[str, Callable[[Path, Path], Work]] = {
    "bare": bare,
    "pandas": pandas,
    "ingest": ingest,
    "ingest_duplicates_off": lambda data, scratch: ingest(data, scratch, duplicates="off"),
    "ingest_netflix_text": lambda data, scratch: ingest(
        data, scratch, files=("netflix/combined_data_*.txt",)
    ),
    "bare_text_ids": bare_texts,
    "ingest_text_ids": lambda data, scratch: ingest(data, scratch, files=("text/ratings.csv",)),
    "bare_zip": bare_zip,
    "ingest_zip": lambda data, scratch: ingest(data, scratch, files=("zip/ratings.zip",)),
    "bare_jsonl": bare_jsonl,
    "ingest_jsonl": lambda data, scratch: ingest(data, scratch, files=("jsonl/ratings.jsonl",)),
    "bare_postgresql": bare_postgresql,
    "ingest_postgresql": ingest_postgresql,
    "again": ingest,
    "one_new_file": nightly,
    "encode_and_split": encode_and_split,
}


ON_A_STORE = {"again", "one_new_file", "encode_and_split"}  # the store that `ingest` has filled


ONCE = {"one_new_file", "encode_and_split"}  # the second time, all work is already done
