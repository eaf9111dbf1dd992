"""Trains a candidate on a split: fit, refit, weights and history."""

import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from matinee.release.weights import write_weights
from matinee.settings import Resolved, SamplerTraining
from matinee.settings.training import DotModel
from matinee.store.files import write_json
from matinee.store.progress import Listener
from matinee.store.ratings import EncodedRatings, count_rows, read_ratings
from matinee.train.engine import Engine
from matinee.train.gibbs.sampler import gibbs_engine
from matinee.train.gradient.torch_engine import TorchEngine
from matinee.train.loop import FitState, Stage
from matinee.train.problem import Problem
from matinee.train.sgd import SgdEngine

_VERSIONS = ("torch", "numba", "numpy")


@dataclass(frozen=True)
class Training:
    """One training: the split, the settings, and the folder of its checkpoints."""

    split: Path
    manifest: dict[str, Any]  # the split's
    settings: Resolved
    device: str
    threads: int
    work: Path
    listener: Listener

    def fit(self, folder: Path) -> dict[str, Any]:
        """Fit with early stopping on the valid rows, refit if configured; fill a candidate's folder."""
        compiling = self._warm_up()
        state, rows = self._stage("fit", ("train",), valid=read_ratings(self.split, ("valid",)))
        points, best = state.points, state
        if self.settings.train.refit != "none":
            best, rows = self._stage("refit", ("train", "valid"), epochs=state.best_epoch)
            points = points + best.points
        outcome = {"epochs_run": state.epoch, "best_epoch": state.best_epoch, "valid_rmse": state.best_rmse}
        return self._write(folder, best, rows=rows, points=points, seconds_compile=compiling) | outcome

    def fit_all(self, folder: Path, *, epochs: int) -> dict[str, Any]:
        """Fit on every row of the split for a fixed number of epochs; fill a candidate's folder."""
        compiling = self._warm_up()
        state, rows = self._stage("refit", ("train", "valid", "test"), epochs=epochs)
        outcome = {"epochs_run": epochs, "best_epoch": epochs, "valid_rmse": None}
        return self._write(folder, state, rows=rows, points=state.points, seconds_compile=compiling) | outcome

    @property
    def _samples(self) -> bool:
        return isinstance(self.settings.train, SamplerTraining)

    @property
    def _epochs(self) -> int:
        """The maximum number of epochs; for the sampler, the sweeps of all chains."""
        train = self.settings.train
        return train.chains * train.sweeps if isinstance(train, SamplerTraining) else train.epochs

    def _warm_up(self) -> float:
        """Compile the kernels or load them from their cache; returns the seconds, which are not part of the fit's.

        Runs on another thread: an exception that a signal raises on the main thread is lost in the compiler's
        callbacks.
        """
        started = time.perf_counter()
        compiler = ThreadPoolExecutor(1)
        try:
            compiler.submit(self._fit_two_rows).result()
        finally:
            compiler.shutdown(wait=False)
        return round(time.perf_counter() - started, 4)

    def _fit_two_rows(self) -> None:
        """Call every kernel once."""
        pair = EncodedRatings(
            np.arange(2, dtype=np.int32), np.arange(2, dtype=np.int32), np.ones(2, np.float32)
        )
        engine = _engine(replace(self._problem(pair, pair, users=2, movies=2), threads=1), self.settings)
        if not isinstance(engine, TorchEngine):
            for _ in engine.run_epoch(1):
                engine.valid_rmse()

    def _problem(
        self, rows: EncodedRatings, valid: EncodedRatings | None, *, users: int, movies: int
    ) -> Problem:
        low, high = map(float, self.manifest["scale"])
        return Problem(
            rows=rows,
            valid=valid,
            users=users,
            movies=movies,
            scale=(low, high),
            device=self.device,
            threads=self.threads,
        )

    def _stage(
        self,
        name: str,
        subsets: tuple[str, ...],
        *,
        valid: EncodedRatings | None = None,
        epochs: int | None = None,
    ) -> tuple[FitState, int]:
        rows = read_ratings(self.split, subsets)
        train = self.settings.train
        users, movies = (count_rows(self.split / f"{axis}.parquet") for axis in ("users", "movies"))
        problem = self._problem(rows, valid, users=users, movies=movies)
        stage = Stage(
            name=name,
            epochs=epochs or self._epochs,
            rows=len(rows),
            keeps_best=valid is not None and not self._samples,
            patience=0 if isinstance(train, SamplerTraining) else train.patience,
            error_limit=problem.scale[1] - problem.scale[0],
            checkpoint=self.work / f"{name}.safetensors",
            listener=self.listener,
        )
        started = time.perf_counter()
        return stage.run(_engine(problem, self.settings), started=started), len(rows)

    def _write(
        self,
        folder: Path,
        state: FitState,
        *,
        rows: int,
        points: list[dict[str, Any]],
        seconds_compile: float,
    ) -> dict[str, Any]:
        name = self.settings.model.name
        write_weights(folder / "weights.safetensors", state.best, metadata={"model": name})
        write_json(folder / "history.json", {"points": points})
        return {
            "rows": rows,
            "model": name,
            "split": self.manifest["digest"],
            "scale": self.manifest["scale"],
            "settings": self.settings.written().model_dump(include={"model", "train"}),
            "device": self.device,
            "threads": self.threads,
            "seconds_train": round(state.seconds, 4),
            "seconds_compile": seconds_compile,
            "rows_per_second": round(rows * state.epoch / max(state.seconds, 1e-9)),
            "versions": {"python": platform.python_version()} | {name: version(name) for name in _VERSIONS},
        }


def _engine(problem: Problem, settings: Resolved) -> Engine:
    model, training = settings.model, settings.train
    if isinstance(training, SamplerTraining):
        assert isinstance(model, DotModel)  # nosec B101 # for mypy: no settings with another model are resolved
        return gibbs_engine(problem, model, training=training)
    if training.method == "sgd" and problem.device == "cpu":
        assert isinstance(model, DotModel)  # nosec B101 # as above
        return SgdEngine(problem, model, training=training)
    return TorchEngine(problem, model, training=training)
