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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ingest_cases import CASES, ON_A_STORE, ONCE, TABLE, database

NEW_ROWS = 100_000  # rows of the file that a nightly run adds


# Each case imports its modules and returns the function to be timed.


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
