"""Compares training with other systems on the same rows: RMSE, seconds, rating updates per second, peak memory.

    python bench/train.py --train train.csv --test test.csv --out results.json [--plot picture.png]
    python bench/train.py --ratings ratings.csv --seed 42 --peers myfm,libmf --peer-python peers/bin/python --out ...

Matinee runs ingest, encode, split, train and evaluate in a temporary store. The tested weights are fitted on all
train rows, because the default `train.refit` fits again with the valid rows. Each fit is a new process. Seconds are
those of the fit that made the tested weights, without compilation, imports and the conversion of rows for a system.
`--loops` adds torch with a DataLoader, with batch 4 as in the seed notebook and with batch 8,192. Only their rate is
measured, over a few hundred steps. Other systems are in bench/peers.py. Systems that `--peer-python` does not have
are skipped, and the reason is printed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from peers import SYSTEMS, peak_kib

from matinee import evaluate, train
from matinee.evaluate import Models
from matinee.pipeline.chain import Chain, making_missing
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store
from matinee.store.documents import read_json
from matinee.store.system import available_cores
from matinee.train import ranking as ranking_step

LOOPS = ("notebook", "dataloader")
LABELS = {
    "bias": "bias-only",
    "surprise": "Surprise SVD",
    "lenskit": "LensKit BiasedMF 64 x 15",
    "cmfrec": "cmfrec k=40",
    "myfm": "myFM rank 10, 300 samples",
    "libmf": "LIBMF k=32 x 20",
    "notebook": "the notebook's loop, batch 4",
    "dataloader": "torch, DataLoader, batch 8,192",
}
FIGURES = ("rmse", "seconds", "updates_per_second", "peak_mb")
Run = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A model of Matinee; for dot, with a preset."""

    model: str
    preset: str | None = None

    @property
    def label(self) -> str:
        return f"{self.model}, preset {self.preset}" if self.preset else self.model

    def settings(self, *, seed: int, threads: int) -> Settings:
        assignments = [f"model.name={self.model}", f"train.seed={seed}", f"train.threads={threads}"]
        return read_settings(preset=self.preset, assignments=assignments)


def measure_ours(root: Path, parts: Reference, settings: Settings) -> Run:
    """Train and evaluate on a split, in a new process, so the peak belongs to this fit."""
    store = Store.open(root)
    candidate = store.ensure(train.plan(store, parts, settings=settings))
    peak_mb = peak_kib() / 2**10
    ranking = store.ensure(ranking_step.plan(store, parts, settings=settings))
    judged = evaluate.plan(
        store, Models(candidate=candidate, ranking=ranking), split=parts, champion=None, settings=settings
    )
    evaluation = store.ensure(judged)
    trained = store.manifest(candidate.kind, candidate.digest)
    metrics = read_json(store.path(evaluation) / "metrics.json")
    return {
        "seed": settings.train.seed,
        "rmse": metrics["rmse"],
        "seconds": trained["seconds_train"],
        "updates_per_second": trained["rows_per_second"],
        "peak_mb": peak_mb,
        "seconds_compile": trained["seconds_compile"],
        "epochs": trained["best_epoch"],
        "global_mean_rmse": metrics["global_mean_rmse"],
    }


def measure_other(name: str, rows: Path, *, python: str, threads: int, seed: int) -> Run:
    """Fit another system in its interpreter. If it cannot be fitted, the note has the reason."""
    script = Path(__file__).with_name("peers.py")
    command = [python, str(script), name, str(rows), "--threads", str(threads), "--seed", str(seed)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        reason = (ran.stderr.strip() or f"exit status {ran.returncode}").splitlines()[-1]
        return {"seed": seed, **dict.fromkeys(FIGURES), "note": f"skipped: {reason}"}
    return {"seed": seed, **json.loads(ran.stdout.splitlines()[-1])}


def draw_test_file(ratings: Path, folder: Path, *, seed: int) -> tuple[Path, Path]:
    """A train and a test file, 90/10, stratified by rating with scikit-learn on the rows in their order."""
    from sklearn.model_selection import train_test_split

    table = pl.read_csv(ratings)
    stars = next(name for name in table.columns if name.lower() == "rating")
    drawn = train_test_split(
        np.arange(table.height), test_size=0.1, random_state=seed, stratify=table[stars].to_numpy()
    )
    paths = folder / "train.csv", folder / "test.csv"
    for path, places in zip(paths, drawn, strict=True):
        table[places].write_csv(path)
    return paths


def make_split(store: Store, train_file: Path, test_file: Path) -> Reference:
    """Ingest, encode and split: the test file's rows are the test rows."""
    chain = Chain(store, Settings().for_test_files([str(test_file)]), making_missing(store))
    dataset = chain.ingest([train_file], None, test=[test_file])
    return chain.split(dataset, chain.encode(dataset))


def write_rows(folder: Path, out: Path) -> dict[str, int]:
    """Write the rows of a split for bench/peers.py, with valid rows as train rows; returns the number of rows."""
    columns = ["user_code", "movie_code", "rating"]

    def read(*parts: str) -> np.ndarray:
        table = pl.read_parquet([folder / f"{part}.parquet" for part in parts], columns=columns)
        return np.stack([table[column].to_numpy().astype(np.float64) for column in columns])

    train, test = read("train", "valid"), read("test")
    np.savez(out, train=train, test=test)
    return {"train": train.shape[1], "test": test.shape[1]}


def measure_all(call: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str, list[Run]]]:
    """The label, the group and the runs of each system, in order."""
    drawn = draw_test_file(call.ratings, folder, seed=call.seed) if call.ratings else (call.train, call.test)
    store = Store.open(folder / "store")
    parts = make_split(store, *drawn)
    rows = folder / "rows.npz"
    call.rows = write_rows(store.path(parts), rows)
    cases = [Case("dot", preset) for preset in call.presets if "dot" in call.models]
    cases += [Case(model) for model in call.models if model != "dot"]
    for case in cases:
        runs = []
        for seed in call.seeds:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                settings = case.settings(seed=seed, threads=call.threads)
                runs.append(pool.submit(measure_ours, store.root, parts, settings).result())
        yield case.label, "matinee", runs
    others = [(name, "peer", call.peer_python) for name in call.peers]
    others += [(name, "loop", sys.executable) for name in call.loops]
    for name, group, python in others:
        seeds = call.seeds[:1] if group == "loop" else call.seeds
        yield (
            LABELS[name],
            group,
            [measure_other(name, rows, python=python, threads=call.threads, seed=seed) for seed in seeds],
        )


def mean_of(runs: Sequence[Run], figure: str) -> float | None:
    """The mean over seeds, or None without a measurement."""
    values = [run[figure] for run in runs if run.get(figure) is not None]
    return float(np.mean(values)) if values else None


def to_table(results: Sequence[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    lines = ["| | RMSE | fit, s | rating updates/s | peak MB | |", "| --- | --- | --- | --- | --- | --- |"]
    for result in results:
        rmse, seconds, rate, peak = (result[figure] for figure in FIGURES)
        cells = [
            result["system"],
            "" if rmse is None else f"{rmse:.4f}",
            "" if seconds is None else f"{seconds:.3g}",
            "" if rate is None else f"{rate / 1e6:.3g} M" if rate >= 1e5 else f"{rate:,.0f}",
            "" if peak is None else f"{peak:,.0f}",
            result["note"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(results: Sequence[dict[str, Any]], path: Path, *, title: str) -> None:
    """RMSE against seconds of the fit, Matinee and others in two colours. Lower left is better."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    fits = [result for result in results if result["rmse"] and result["seconds"]]
    for ours, colour, marker in ((True, "#1f5fa8", "o"), (False, "#8a8a8a", "s")):
        shown = [fit for fit in fits if (fit["group"] == "matinee") == ours]
        places = np.array([(fit["seconds"], fit["rmse"]) for fit in shown]).reshape(-1, 2)
        name = "Matinee" if ours else "others"
        axes.scatter(places[:, 0], places[:, 1], color=colour, marker=marker, s=48, label=name)
        for fit, place in zip(shown, places, strict=True):
            axes.annotate(
                fit["system"],
                tuple(place),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                color=colour,
                fontsize=9,
            )
    axes.set(xscale="log", xlabel="seconds of the fit", ylabel="RMSE on test rows", title=title)
    axes.set_xlim(right=20 * max((fit["seconds"] for fit in fits), default=1))  # room for the last label
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def read_call() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("train", "test", "ratings"):
        parser.add_argument(f"--{name}", type=Path, metavar="CSV")
    parser.add_argument("--seed", type=int, default=42, help="draws the test rows of --ratings")
    parser.add_argument("--presets", type=names_of("fast", "accurate"), default=["fast", "accurate"])
    models = ["dot", "linear", "mlp", "neumf"]
    parser.add_argument("--models", type=names_of(*models), default=models)
    parser.add_argument(
        "--peers", type=names_of(*(name for name in SYSTEMS if name not in LOOPS)), default=["bias"]
    )
    parser.add_argument("--peer-python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--loops", type=names_of(*LOOPS), default=list(LOOPS))
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plot", type=Path, metavar="PNG")
    parser.add_argument("--out", type=Path, required=True)
    call = parser.parse_args()
    if bool(call.ratings) == bool(call.train and call.test):
        parser.error("give --train and --test, or --ratings alone")
    return call


def names_of(*known: str) -> Any:
    """A type for argparse: names separated by commas, or none."""

    def names(text: str) -> list[str]:
        given = [] if text == "none" else text.split(",")
        if unknown := set(given) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: take of {', '.join(known)}")
        return given

    return names


def main() -> None:
    """Split, measure one by one, write."""
    call = read_call()
    os.environ |= {"OMP_NUM_THREADS": str(call.threads), "OMP_WAIT_POLICY": "passive"}
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for system, group, runs in measure_all(call, Path(folder)):
            figures = {figure: mean_of(runs, figure) for figure in FIGURES}
            note = runs[0].get("note", "")
            results.append({"system": system, "group": group, **figures, "note": note, "runs": runs})
            print(to_table(results[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    mean = mean_of([run for result in results for run in result["runs"]], "global_mean_rmse")
    empty = dict.fromkeys(FIGURES) | {"rmse": mean, "note": "", "runs": []}
    results.append({"system": "global mean", "group": "baseline", **empty})
    name = (call.ratings or call.train).name
    about = {"data": name, "rows": call.rows, "threads": call.threads, "seeds": call.seeds}
    told = {**about, "cores": available_cores(), "results": results}
    call.out.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
    print(to_table(results))
    if call.plot:
        draw(results, call.plot, title=f"{name}, {call.rows['train']:,} train rows, {call.threads} threads")


if __name__ == "__main__":
    main()
