"""Fits on a GPU and on the CPU, on generated samples of several sizes: seconds, ratings per second, RMSE and nDCG@10.

    python bench/gpu.py --ratings 1000000,20000000 --fits fast,accurate,ranking --devices cuda,cpu --out RESULTS.json

A random tenth of the ratings is held out. Each fit is a new process, on all other ratings. Seconds are those of the fit
with its preparation and the RMSE after each epoch, without imports, compilation and a first small fit that starts the
GPU. `ratings_per_second` counts each rating once per epoch of `fast`, or per sweep of `accurate`; `epoch_seconds` is
the median epoch or sweep. `--sweeps` cuts `accurate` short, with an RMSE that says nothing then. nDCG@10 is measured as
in bench/fit_lists.py.
"""

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import torch
from fit_lists import measure as measure_lists
from peers import peak_kib

from matinee.sample import write_sample
from matinee.settings import RankSettings, Resolved, SamplerTraining
from matinee.settings.parse import read_settings
from matinee.store.ratings import EncodedRatings
from matinee.store.system import available_cores
from matinee.train.candidate import make_engine
from matinee.train.problem import Problem
from matinee.train.ranking.fit import fit_ranking
from matinee.train.ranking.normal import method_for

SCALE = (1.0, 5.0)
FITS = ("fast", "accurate", "linear", "mlp", "neumf", "ranking")
_HELD_OUT = 1 / 10
_PLACES = ("users", "movies", "ratings")


def draw(ratings: int, folder: Path) -> dict[str, int | float]:
    """Write the columns of a sample, with codes in place of ids; returns its sizes and the lowest possible RMSE."""
    truth = write_sample(folder, ratings=ratings, seed=1, format="parquet")
    file = folder / "ratings.parquet"
    user, movie, rating, *_ = pq.read_schema(file).names
    table = pq.read_table(file, columns=[user, movie, rating])
    columns = [_codes(table[name].to_numpy()) for name in (user, movie)]
    columns.append(table[rating].to_numpy().astype(np.float32))
    held_out = np.random.default_rng(0).random(ratings) < _HELD_OUT
    for name, column in zip(_PLACES, columns, strict=True):
        np.save(folder / f"train-{name}.npy", column[~held_out])
        np.save(folder / f"test-{name}.npy", column[held_out])
    file.unlink()
    sizes = {name: int(column.max()) + 1 for name, column in zip(_PLACES[:2], columns[:2], strict=True)}
    return {**sizes, "best_rmse": truth.best_rmse or 0.0}


def _codes(ids: np.ndarray) -> np.ndarray:
    present = np.zeros(int(ids.max()) + 1, np.bool_)
    present[ids] = True
    codes: np.ndarray = (np.cumsum(present, dtype=np.int32) - 1)[ids]
    return codes


def read(folder: Path, part: str) -> EncodedRatings:
    """The rows of a part of a drawn sample."""
    return EncodedRatings(*(np.load(folder / f"{part}-{name}.npy") for name in _PLACES))


@dataclass(frozen=True)
class Case:
    """One fit to measure."""

    name: str
    device: str
    users: int
    movies: int
    call: argparse.Namespace

    def measure(self, folder: Path) -> dict[str, Any]:
        """Fit, in a new process, so that peaks belong to it."""
        train, test = read(folder, "train"), read(folder, "test")
        measured = (fit_lists if self.name == "ranking" else fit_ratings)(self, train, test)
        gpu = {} if self.device == "cpu" else {"gpu_gb": round(torch.cuda.max_memory_reserved() / 2**30, 2)}
        return {**measured, "peak_gb": round(peak_kib() / 2**20, 2), **gpu}


def fit_ratings(case: Case, train: EncodedRatings, test: EncodedRatings) -> dict[str, Any]:
    """Fit a rating model for all its epochs, or for as many as the call says."""
    preset = case.name if case.name in ("fast", "accurate") else None
    settings = read_settings(
        preset=preset, assignments=[] if preset else [f"model.name={case.name}"]
    ).resolved()
    problem = Problem(
        rows=train, valid=test, users=case.users, movies=case.movies, scale=SCALE, device=case.device,
        threads=case.call.threads,
    )  # fmt: skip
    _warm_up(problem, settings)
    epochs = _epochs(settings, case.call)
    started = time.perf_counter()
    engine = make_engine(problem, settings)
    if case.device != "cpu":
        torch.cuda.synchronize()
    seconds, found = [time.perf_counter() - started], []
    for epoch in range(1, epochs + 1):
        for _ in engine.run_epoch(epoch):
            pass
        found.append(engine.valid_rmse() or 0.0)
        seconds.append(time.perf_counter() - started)
    each = float(np.median(np.diff(seconds)))
    return {
        "rmse": round(found[-1] if case.name == "accurate" else min(found), 4),
        "epochs": epochs,
        "seconds": round(seconds[-1], 2),
        "seconds_before": round(seconds[0], 2),
        "epoch_seconds": round(each, 4),
        "ratings_per_second": round(len(train) * epochs / seconds[-1]),
        "ratings_per_second_of_epoch": round(len(train) / each),
    }


def _epochs(settings: Resolved, call: argparse.Namespace) -> int:
    train = settings.train
    if isinstance(train, SamplerTraining):
        return int(call.sweeps or train.chains * train.sweeps)
    return int(call.epochs or train.epochs)


def _warm_up(problem: Problem, settings: Resolved) -> None:
    """Compile kernels and start the GPU with a few thousand ratings."""
    rows = _few_ratings()
    engine = make_engine(replace(problem, rows=rows, valid=rows, users=50, movies=100), settings)
    for epoch in (1, 2):
        for _ in engine.run_epoch(epoch):
            engine.valid_rmse()


def fit_lists(case: Case, train: EncodedRatings, test: EncodedRatings) -> dict[str, Any]:
    """Fit the ranking model."""
    device = None if case.device == "cpu" else case.device
    how: dict[str, Any] = {"scale": SCALE, "threads": case.call.threads, "device": device}
    usual, few = RankSettings(penalty=800), _few_ratings()
    for memory in (0, usual.dense_mb):
        settings = usual.model_copy(update={"dense_mb": memory, "iterations": 2})
        fit_ranking(few.users, few.movies, few.ratings, users=50, movies=100, settings=settings, **how)
    sizes: dict[str, Any] = {"users": case.users, "movies": case.movies}
    started = time.perf_counter()
    model = fit_ranking(train.users, train.movies, train.ratings, **sizes, settings=usual, **how)
    seconds = time.perf_counter() - started
    method = method_for(**sizes, ratings=len(train), memory=usual.dense_mb << 20, device=device)
    frames = (
        pl.DataFrame({"user": rows.users, "movie": rows.movies, "rating": rows.ratings})
        for rows in (train, test)
    )
    lists = measure_lists(model, *frames)
    return {"seconds": round(seconds, 2), "method": method, "rank": model.decode.shape[1], **lists}


def _few_ratings() -> EncodedRatings:
    """Every movie of 100 has some, by 50 users."""
    users, movies = np.divmod(np.arange(0, 5000, 3, dtype=np.int32), np.int32(100))
    return EncodedRatings(users, movies, (1 + (users * movies) % 5).astype(np.float32))


def about(call: argparse.Namespace) -> dict[str, Any]:
    """The machine."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"gpu": gpu, "torch": torch.__version__, "cores": available_cores(), "threads": call.threads}


def main() -> None:
    """Draw each sample, fit one by one, write after each."""
    call = read_call()
    results: list[dict[str, Any]] = []
    for ratings in call.ratings:
        with tempfile.TemporaryDirectory(dir=call.scratch) as scratch:
            started = time.perf_counter()
            sizes = draw(ratings, Path(scratch))
            print(f"{ratings:,} ratings, {sizes}: drawn in {time.perf_counter() - started:.1f} s", flush=True)
            for device in call.devices:
                for name in call.fits:
                    case = Case(name, device, int(sizes["users"]), int(sizes["movies"]), call)
                    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                        try:
                            measured = pool.submit(case.measure, Path(scratch)).result()
                        except RuntimeError as error:  # the next fit may do
                            measured = {"error": repr(error)[:500]}
                    results.append({"fit": name, "device": device, "ratings": ratings, **sizes, **measured})
                    print(json.dumps(results[-1]), flush=True)
                    call.out.write_text(json.dumps({**about(call), "results": results}, indent=1) + "\n")


def read_call() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--ratings", type=lambda text: [int(each) for each in text.split(",")], default=[1_000_000]
    )
    parser.add_argument("--fits", type=lambda text: text.split(","), default=["fast", "accurate", "ranking"])
    parser.add_argument("--devices", type=lambda text: text.split(","), default=["cuda", "cpu"])
    parser.add_argument("--epochs", type=int, help="of gradient methods, if not all")
    parser.add_argument("--sweeps", type=int, help="of accurate, if not all")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--scratch", type=Path, help="where samples are written")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
