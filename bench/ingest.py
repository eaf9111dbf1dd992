"""Compares ingest with a bare conversion: seconds and peak memory, on the same generated files in one run.

    python bench/ingest.py --ratings 100000000 --out bench/ingest.json

Each measurement runs twice, in a new process, and the better one counts. All output is synced to the disk. Imports are
not timed. `bare` is the typed scan of polars to Parquet, and `pandas` is read_csv and to_parquet (skipped if pandas is
not installed). Neither of them validates rows, keeps rejects or checks for duplicates.

The rows of PostgreSQL are measured if MATINEE_BENCH_DATABASE is the address of a database, such as
postgresql://user:password@host/name. The table matinee_bench there is replaced, and dropped at the end.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TABLE = "matinee_bench"
NEW_ROWS = 100_000  # rows of the file that a nightly run adds
Work = Callable[[], object]


def sync(path: Path) -> None:
    """Wait until a file has reached the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def database() -> str | None:
    """The address of the database to measure."""
    return os.environ.get("MATINEE_BENCH_DATABASE")


# Each case imports its modules and returns the function to be timed.


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


def measure(name: str, data: Path, scratch: Path) -> dict[str, float]:
    """Seconds and peak memory of one case in a new process."""
    scratch.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--case", name, "--data", str(data), "--scratch", str(scratch)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def run_case(name: str, data: Path, scratch: Path) -> None:
    """The process of one measurement: do the work and print its figures."""
    work = CASES[name](data, scratch)
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    # The peak of this process; getrusage would report the parent's peak if that was higher.
    status = Path("/proc/self/status").read_text("utf-8")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(peak)}))


def measure_all(data: Path, *, runs: int) -> dict[str, Any]:
    """The best of some runs of each case."""
    best: dict[str, Any] = {}
    scratch = data / "scratch"
    for name in CASES:
        if name == "pandas" and find_spec("pandas") is None:
            continue
        if name.endswith("postgresql") and database() is None:
            continue
        for _ in range(1 if name in ONCE else runs):
            if name not in ON_A_STORE:
                shutil.rmtree(scratch, ignore_errors=True)
            elif name == "again":
                shutil.rmtree(scratch, ignore_errors=True)
                measure("ingest", data, scratch)
            found = measure(name, data, scratch)
            if name not in best or found["seconds"] < best[name]["seconds"]:
                best[name] = found
    shutil.rmtree(scratch, ignore_errors=True)
    return best


def generate(data: Path, *, ratings: int) -> None:
    """The sample as CSV, in other formats and with text ids, and one more file with other rows."""
    import zipfile

    from matinee.sample import write_sample

    write_sample(data / "netflix", ratings=ratings, format="netflix")
    write_sample(data, ratings=ratings)
    write_sample(data / "text", ratings=ratings, ids="text")
    write_sample(data / "jsonl", ratings=ratings, format="jsonl")
    (data / "zip").mkdir()
    with zipfile.ZipFile(data / "zip" / "ratings.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(data / "ratings.csv", "ratings.csv")
    write_sample(data / "new", ratings=NEW_ROWS, seed=1)
    (data / "new" / "ratings.csv").replace(data / "new.csv")


def fill_database(data: Path) -> None:
    """Copy the sample into the database."""
    import pyarrow.csv
    from adbc_driver_postgresql import dbapi

    rows = pyarrow.csv.open_csv(data / "ratings.csv")
    with dbapi.connect(database()) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(TABLE, rows, mode="replace")
        connection.commit()


def drop_table() -> None:
    """Remove the table from the database."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(database()) as connection, connection.cursor() as cursor:
        cursor.execute(f"drop table {TABLE}")
        connection.commit()


def main() -> None:
    """Generate, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path("bench/data"))
    parser.add_argument("--out", type=Path, default=Path("bench/ingest.json"))
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--scratch", type=Path)
    call = parser.parse_args()
    if call.case:
        run_case(call.case, call.data, call.scratch)
        return
    generate(call.data, ratings=call.ratings)
    if database():
        fill_database(call.data)
    best = measure_all(call.data, runs=call.runs)
    if database():
        drop_table()
    for name, found in best.items():
        found["ratio"] = round(found["seconds"] / best["bare"]["seconds"], 2)
        print(f"{name:24} {found['seconds']:8.2f} s  {found['ratio']:6.2f} x  {found['peak_mb']:6.0f} MB")
    about = {
        "ratings": call.ratings,
        "bytes": (call.data / "ratings.csv").stat().st_size,
        "cores": len(os.sched_getaffinity(0)),
    }
    call.out.write_text(json.dumps({**about, "cases": best}, indent=2) + "\n", "utf-8")
    shutil.rmtree(call.data)


if __name__ == "__main__":
    main()
