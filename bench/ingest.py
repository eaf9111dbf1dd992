"""Ingest beside a bare conversion: seconds and peak memory, on the same generated files in one run.

    python bench/ingest.py --ratings 100000000 --out bench/ingest.json

Each measurement is a process of its own, twice, and the better one counts. What is written is synced to the
disk in all of them. `bare` is polars' typed scan to Parquet, `pandas` its read_csv and to_parquet (skipped
where pandas is not installed); neither validates, keeps rejects or looks for duplicates.
"""

import argparse
import json
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NEW_ROWS = 100_000  # of the file that a nightly run adds


def sync(path: Path) -> None:
    """Wait until a file has reached the disk."""
    import os

    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def bare(data: Path, scratch: Path) -> None:
    """Polars at its best: the types are given, columns are streamed to Parquet, nothing is checked."""
    import polars as pl

    schema = {"userID": pl.Int64, "movieID": pl.Int64, "rating": pl.Float32, "date": pl.Date}
    pl.scan_csv(data / "ratings.csv", schema=schema).sink_parquet(scratch / "bare.parquet")
    sync(scratch / "bare.parquet")


def pandas(data: Path, scratch: Path) -> None:
    """Pandas as a notebook has it."""
    import pandas as pd

    pd.read_csv(data / "ratings.csv", parse_dates=["date"]).to_parquet(scratch / "pandas.parquet")
    sync(scratch / "pandas.parquet")


def ingest(
    data: Path, scratch: Path, *, duplicates: str = "latest", files: tuple[str, ...] = ("ratings.csv",)
) -> None:
    """Ours, on a fresh store or on the one that is there."""
    from matinee import ingest as library
    from matinee.settings import IngestSettings
    from matinee.store import Store

    store = Store.open(scratch / "store")
    settings = IngestSettings.model_validate({"duplicates": duplicates})
    ratings = [data / file for file in files]
    store.ensure(library.plan(store, ratings=ratings, titles=data / "movie_titles.csv", settings=settings))


def nightly(data: Path, scratch: Path) -> None:
    """Ours, with one new file on top of what the store has."""
    ingest(data, scratch, files=("ratings.csv", "new.csv"))


def encode_and_split(data: Path, scratch: Path) -> None:
    """The two steps after ours, on the dataset that the store has."""
    from matinee import encode, split
    from matinee.settings import SplitSettings
    from matinee.store import Store

    store = Store.open(scratch / "store")
    dataset = store.reference("datasets", next((scratch / "store" / "datasets").iterdir()).name)
    encoding = store.ensure(encode.plan(store, dataset))
    store.ensure(split.plan(store, dataset, encoding, settings=SplitSettings()))


CASES: dict[str, Callable[[Path, Path], None]] = {
    "bare": bare,
    "pandas": pandas,
    "ingest": ingest,
    "ingest_duplicates_off": lambda data, scratch: ingest(data, scratch, duplicates="off"),
    "ingest_netflix_text": lambda data, scratch: ingest(data, scratch, files=("combined_data_*.txt",)),
    "again": ingest,
    "one_new_file": nightly,
    "encode_and_split": encode_and_split,
}
ON_A_STORE = {"again", "one_new_file", "encode_and_split"}  # that `ingest` has filled


def measure(name: str, data: Path, scratch: Path) -> dict[str, float] | None:
    """Seconds and peak memory of one case in a process of its own; None when it can't run here."""
    scratch.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--case", name, "--data", str(data), "--scratch", str(scratch)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(ran.stdout.splitlines()[-1]) if ran.returncode == 0 else None


def run_case(name: str, data: Path, scratch: Path) -> None:
    """The process of one measurement: compile on a few rows, then do it and tell."""
    started = time.perf_counter()
    CASES[name](data, scratch)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(peak)}))


def measure_all(data: Path, *, runs: int) -> dict[str, Any]:
    """The best of some runs of each case."""
    best: dict[str, Any] = {}
    scratch = data / "scratch"
    for name in CASES:
        for _ in range(runs):
            if name not in ON_A_STORE:
                shutil.rmtree(scratch, ignore_errors=True)
                if name == "ingest_netflix_text" and not (data / "combined_data_1.txt").exists():
                    continue
            if name == "again" and not (scratch / "store").exists():
                measure("ingest", data, scratch)
            found = measure(name, data, scratch)
            if found and (name not in best or found["seconds"] < best[name]["seconds"]):
                best[name] = found
            if name in ("one_new_file", "encode_and_split"):
                break  # the second time there is nothing left to do
    shutil.rmtree(scratch, ignore_errors=True)
    return best


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
    from matinee.sample import write_sample

    write_sample(call.data, ratings=call.ratings)
    write_sample(call.data / "netflix", ratings=call.ratings, format="netflix")
    for path in (call.data / "netflix").glob("combined_data_*.txt"):
        path.replace(call.data / path.name)
    new = call.data / "new"
    write_sample(new, ratings=NEW_ROWS, seed=1)
    (new / "ratings.csv").replace(call.data / "new.csv")
    best = measure_all(call.data, runs=call.runs)
    for name, found in best.items():
        found["ratio"] = round(found["seconds"] / best["bare"]["seconds"], 2)
        print(f"{name:24} {found['seconds']:8.2f} s  {found['ratio']:6.2f} x  {found['peak_mb']:6.0f} MB")
    about = {
        "ratings": call.ratings,
        "bytes": (call.data / "ratings.csv").stat().st_size,
        "machine": platform.processor() or platform.machine(),
    }
    call.out.write_text(json.dumps({**about, "cases": best}, indent=2) + "\n", "utf-8")
    shutil.rmtree(call.data)


if __name__ == "__main__":
    main()
