"""Trains a candidate on a split: fit, refit, weights and history."""

import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from matinee.formats.history import FitPoint, History
from matinee.formats.manifests import CandidateManifest, SplitManifest, UserDriftFigures
from matinee.release.arrays import Counts
from matinee.release.weights import write_weights
from matinee.settings import Resolved, SamplerTraining
from matinee.settings.training import DotModel
from matinee.store.files import write_json
from matinee.store.progress import Listener, silent
from matinee.store.ratings import EncodedRatings, count_rows, read_ratings
from matinee.train.blocks import Cut
from matinee.train.checkpoint import FitState
from matinee.train.engine import Arrays, Engine
from matinee.train.gibbs.sampler import gibbs_engine
from matinee.train.loop import Stage
from matinee.train.problem import Problem
from matinee.train.ranks.checkpoints import Checkpoints
from matinee.train.ranks.group import ALONE, Ranks
from matinee.train.ranks.ring import Ring
from matinee.train.ranks.rows import read_own_ratings
from matinee.train.sgd import SgdEngine
from matinee.train.title_estimates import estimate_unrated
from matinee.train.user_drift import Predictor, add_drift, fit_drift, judge_drift, looks_for_drift

_VERSIONS = ("torch", "numba", "numpy", "scipy")


@dataclass(frozen=True)
class CandidateFit:
    """One training: the split, the settings, and the folder of its checkpoints."""

    split: Path
    made_of: SplitManifest
    settings: Resolved
    device: str
    threads: int
    work: Path
    listener: Listener
    ranks: Ranks = ALONE  # the processes that fit; each calls the same methods, and the first one writes

    def fit(self, folder: Path) -> CandidateManifest:
        """Fit with early stopping on the valid rows, refit if configured; fill a candidate's folder."""
        compiling = self._warm_up_in_turn()
        subsets: tuple[str, ...] = ("train",)
        valid = read_ratings(self.split, ("valid",))
        state, rows = self._stage("fit", subsets, valid=valid)
        drift = self._decide_drift(state, valid)
        points, best = state.points, state
        if self.settings.train.refit != "none":
            subsets = ("train", "valid")
            best, rows = self._stage("refit", subsets, epochs=state.best_epoch)
            points = points + best.points
        fitted = _Fitted(rows, subsets, best, points, state.epoch, state.best_epoch, state.best_rmse, drift)
        return self._write(folder, fitted, seconds_compile=compiling)

    def fit_all(self, folder: Path, *, epochs: int, tested: str) -> CandidateManifest:
        """Fit on every row of the split for a fixed number of epochs, as `tested` was; fill a candidate's folder."""
        compiling = self._warm_up_in_turn()
        subsets = ("train", "valid", "test")
        state, rows = self._stage("refit", subsets, epochs=epochs)
        drift = UserDriftFigures(applied=True) if self.settings.train.time == "on" else None
        fitted = _Fitted(rows, subsets, state, state.points, epochs, epochs, None, drift)
        made = self._write(folder, fitted, seconds_compile=compiling)
        return made.model_copy(update={"candidate": tested})

    @property
    def _samples(self) -> bool:
        return isinstance(self.settings.train, SamplerTraining)

    @property
    def _epochs(self) -> int:
        """The maximum number of epochs; for the sampler, the sweeps of all chains."""
        train = self.settings.train
        return train.chains * train.sweeps if isinstance(train, SamplerTraining) else train.epochs

    def _warm_up_in_turn(self) -> float:
        """Warm up; the first rank of a host first, so that the others find the compiled kernels."""
        if self.ranks.is_first_here:
            seconds = self._warm_up()
            self.ranks.wait()
            return seconds
        self.ranks.wait()
        return self._warm_up()

    def _warm_up(self) -> float:
        """Compile the kernels or load them from their cache, or start the GPU; the seconds are not part of the fit's.

        Runs on another thread: an exception that a signal raises on the main thread is lost in the compiler's
        callbacks.
        """
        started = time.perf_counter()
        compiler = ThreadPoolExecutor(1)
        try:
            compiler.submit(warm_up, self.settings, device=self.device).result()
        finally:
            compiler.shutdown(wait=False)
        return round(time.perf_counter() - started, 4)

    def _problem(
        self, rows: EncodedRatings, valid: EncodedRatings | None, *, users: int, movies: int
    ) -> Problem:
        low, high = map(float, self.made_of.scale)
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
    ) -> tuple[FitState, Counts]:
        """Fit rows of some subsets: the state at the end, and the number of rows of each movie."""
        problem, own = self._read(subsets, valid)
        rows, train = problem.totals.rows, self.settings.train
        stage = Stage(
            name=name,
            epochs=epochs or self._epochs,
            rows=rows,
            keeps_best=valid is not None and not self._samples,
            patience=0 if isinstance(train, SamplerTraining) else train.patience,
            error_limit=problem.scale[1] - problem.scale[0],
            checkpoints=Checkpoints(self.work, name, self.ranks, own),
            listener=self.listener if self.ranks.is_first else silent,
            ranks=self.ranks,
        )
        started = time.perf_counter()
        state = stage.run(make_engine(problem, self.settings, self.ranks), started=started)
        return state, problem.totals.counts[1]

    def _read(
        self, subsets: tuple[str, ...], valid: EncodedRatings | None
    ) -> tuple[Problem, tuple[slice, slice]]:
        """What to fit, and the users and the movies of this rank."""
        users, movies = (count_rows(self.split / f"{axis}.parquet") for axis in ("users", "movies"))
        if self.ranks.size == 1:
            rows = read_ratings(self.split, subsets)
            return self._problem(rows, valid, users=users, movies=movies), (slice(None), slice(None))
        low, high = map(float, self.made_of.scale)
        rows, totals = read_own_ratings(
            self.split, subsets, users=users, movies=movies, scale=(low, high), ranks=self.ranks
        )
        ring = Ring(self.ranks, Cut.of(totals.counts))
        problem = self._problem(rows, valid, users=users, movies=movies)
        return replace(problem, given=totals), (ring.users, ring.movies)

    def _decide_drift(self, state: FitState, valid: EncodedRatings) -> UserDriftFigures | None:
        """Whether the users' drift is added to the weights; None where nothing looks for it."""
        if not looks_for_drift(self.settings, self.made_of.strategy):
            return UserDriftFigures(applied=True) if self.settings.train.time == "on" else None
        weights = self._whole(state.best)
        if not self.ranks.is_first:
            return None
        model, (low, high) = Predictor(weights, threads=self.threads), map(float, self.made_of.scale)
        return judge_drift(fit_drift(self.split, ("train",), model), valid, model, scale=(low, high))

    def _with_drift(self, weights: Arrays, fitted: "_Fitted") -> Arrays:
        if fitted.drift is None or not fitted.drift.applied:
            return weights
        model = Predictor(weights, threads=self.threads)
        return add_drift(weights, fit_drift(self.split, fitted.subsets, model))

    def _write(self, folder: Path, fitted: "_Fitted", *, seconds_compile: float) -> CandidateManifest:
        name, state, written = self.settings.model.name, fitted.state, self.settings.written()
        best, estimates = self._whole(state.best), None
        if self.ranks.is_first:
            best = self._with_drift(best, fitted)
            if (titles := self.settings.train.titles) != "off":
                always = titles == "on"
                best, estimates = estimate_unrated(best, self.split, fitted.movie_rows, always=always)
            write_weights(folder / "weights.safetensors", best, metadata={"model": name})
            write_json(folder / History.NAME, History(points=fitted.points))
        made = CandidateManifest(
            rows=fitted.rows,
            model=name,
            split=self.made_of.digest,
            scale=self.made_of.scale,
            settings=written.model_dump(mode="json", include={"model", "train"}),
            device=self.device,
            threads=self.threads,
            seconds_train=round(state.seconds, 4),
            seconds_compile=seconds_compile,
            rows_per_second=round(fitted.rows * state.epoch / max(state.seconds, 1e-9)),
            versions={"python": platform.python_version()} | {name: version(name) for name in _VERSIONS},
            epochs_run=fitted.epochs_run,
            best_epoch=fitted.best_epoch,
            valid_rmse=fitted.valid_rmse,
        )
        if fitted.drift:
            made = made.model_copy(update={"user_drift": fitted.drift})
        if estimates:
            made = made.model_copy(update={"title_estimates": estimates})
        if self.ranks.size == 1:
            return made
        return made.model_copy(update={"ranks": self.ranks.size, "bytes_sent": fitted.bytes_sent})

    def _whole(self, arrays: Arrays) -> Arrays:
        """The tables of all users and movies, on the first rank."""
        if self.ranks.size == 1:
            return arrays
        parts = {
            name: self.ranks.collect(table)
            for name, table in arrays.items()
            if name.startswith(("user_", "movie_"))
        }
        return arrays | {name: np.concatenate(each) for name, each in parts.items() if each}


@dataclass(frozen=True)
class _Fitted:
    """What a fit, or the refit after it, came to."""

    movie_rows: Counts
    subsets: tuple[str, ...]  # that these rows are from
    state: FitState  # has the weights
    points: list[FitPoint]
    epochs_run: int
    best_epoch: int
    valid_rmse: float | None
    drift: UserDriftFigures | None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.movie_rows.sum())

    @property
    def bytes_sent(self) -> int:
        """Bytes that each rank sent round the ring, in all epochs."""
        ends = {(point.stage, point.epoch): point.bytes_sent or 0 for point in self.points}
        return sum(ends.values())


def warm_up(settings: Resolved, *, device: str) -> None:
    """Call every kernel of a fit once, on two rows."""
    pair = EncodedRatings(np.arange(2, dtype=np.int32), np.arange(2, dtype=np.int32), np.ones(2, np.float32))
    problem = Problem(pair, pair, users=2, movies=2, scale=(1.0, 5.0), device=device, threads=1)
    engine = make_engine(problem, settings)
    for _ in engine.run_epoch(1):
        engine.valid_rmse()


def make_engine(problem: Problem, settings: Resolved, ranks: Ranks = ALONE) -> Engine:
    """The engine of a model and a method, on the problem's device."""
    model, training = settings.model, settings.train
    if isinstance(training, SamplerTraining):
        assert isinstance(model, DotModel)  # nosec B101 # for mypy: no settings with another model are resolved
        return gibbs_engine(problem, model, training=training)
    if training.method == "sgd":
        assert isinstance(model, DotModel)  # nosec B101 # as above
        if problem.device == "cpu":
            return SgdEngine(problem, model, training=training, ranks=ranks)
        from matinee.train.device_sgd import DeviceSgd  # noqa: PLC0415 - torch takes seconds to import

        return DeviceSgd(problem, model, training=training)
    from matinee.train.gradient.torch_engine import TorchEngine  # noqa: PLC0415 - as above

    return TorchEngine(problem, model, training=training)
