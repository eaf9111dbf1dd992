"""The loop around an engine: points and progress, divergence, early stopping, checkpoints. Knows no model."""

import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matinee.errors import DivergenceError
from matinee.store.progress import Listener, Progress
from matinee.train.checkpoint import load_checkpoint, save_checkpoint
from matinee.train.engine import Arrays, Engine

# Writing a checkpoint may take a tenth of the time at most: each epoch has one unless epochs are that short.
CHECKPOINT_SHARE = 0.1
_STATE, _BEST = "state.", "best."  # what a checkpoint's arrays belong to


@dataclass
class FitState:
    """How far a stage has come; with the engine's state it is all that a checkpoint holds."""

    epoch: int = 0
    best_epoch: int = 0
    best_rmse: float | None = None
    seconds: float = 0.0
    finished: bool = False
    points: list[dict[str, Any]] = field(default_factory=list)
    best: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One fit of a training: `fit` until valid rows say stop, `refit` for a number of epochs that is known."""

    name: str
    epochs: int
    rows: int
    keeps_best: bool  # whether the weights are those of the best epoch by valid RMSE, or the last
    patience: int
    error_limit: float  # a training RMSE above it is no fit any more
    checkpoint: Path
    listener: Listener

    def run(self, engine: Engine, *, started: float) -> FitState:
        """Run epochs until the end or until `patience` of them brought nothing; go on from a checkpoint.

        `started` is the clock before the engine was made, so that `seconds` holds its preparations. Raises
        ConfigError when the fit diverges.
        """
        state, began = self._resume(engine), started
        saved = written = 0.0
        while not state.finished:
            for point in self._epoch(engine, state, began):
                state.points.append(point)
            self._judge(engine, state)
            now = time.perf_counter()
            state.seconds += now - began
            if state.finished or now - saved >= written / CHECKPOINT_SHARE:
                self._save(engine, state)
                saved = time.perf_counter()
                written = saved - now
            began = time.perf_counter()
        return state

    def _epoch(self, engine: Engine, state: FitState, began: float) -> Iterator[dict[str, Any]]:
        """Run one epoch; yields a point of the history for each piece, the last one with the valid RMSE."""
        state.epoch += 1
        epoch, done, start = state.epoch, 0, time.perf_counter()
        for piece in engine.run_epoch(epoch):
            done += piece.rows
            train_rmse = math.sqrt(piece.squared_error / piece.rows) if piece.squared_error >= 0 else math.nan
            if not train_rmse <= self.error_limit:  # also true of nan
                raise DivergenceError(self._diverged(engine, epoch, done, train_rmse))
            valid_rmse = engine.valid_rmse() if done == self.rows else None
            now = time.perf_counter()
            rate = done / max(now - start, 1e-9)
            self.listener(
                Progress(
                    stage=self.name,
                    epoch=epoch,
                    epochs=self.epochs,
                    rows_done=done,
                    rows=self.rows,
                    rows_per_second=rate,
                    train_rmse=train_rmse,
                    valid_rmse=valid_rmse,
                    best_rmse=_least(state.best_rmse, valid_rmse),
                    seconds_left=((self.epochs - epoch + 1) * self.rows - done) / rate,
                )
            )
            yield {
                "stage": self.name,
                "epoch": epoch,
                "rows_done": done,
                "train_rmse": train_rmse,
                "valid_rmse": valid_rmse,
                "learning_rate": engine.learning_rate(epoch),
                "seconds": round(state.seconds + now - began, 4),
            }

    def _judge(self, engine: Engine, state: FitState) -> None:
        """Keep the weights of the best epoch, and decide whether it was the last."""
        rmse, last = state.points[-1]["valid_rmse"], state.epoch == self.epochs
        better = rmse is not None and (state.best_rmse is None or rmse < state.best_rmse)
        if better or not self.keeps_best:
            state.best_epoch, state.best_rmse = state.epoch, rmse
        if better if self.keeps_best else last:
            state.best = engine.weights()
        stale = self.keeps_best and 0 < self.patience <= state.epoch - state.best_epoch
        state.finished = last or stale

    def _save(self, engine: Engine, state: FitState) -> None:
        values = {
            field.name: getattr(state, field.name)
            for field in dataclasses.fields(state)
            if field.name != "best"
        }
        engine_state = {} if state.finished else engine.state()
        arrays = {_STATE + name: array for name, array in engine_state.items()}
        arrays |= {_BEST + name: array for name, array in state.best.items()}
        save_checkpoint(self.checkpoint, arrays, values)

    def _resume(self, engine: Engine) -> FitState:
        found = load_checkpoint(self.checkpoint)
        if found is None:
            return FitState()
        arrays, values = found
        state = FitState(**values, best=_under(_BEST, arrays))
        if not state.finished:
            engine.restore(_under(_STATE, arrays))
        return state

    def _diverged(self, engine: Engine, epoch: int, done: int, rmse: float) -> str:
        rate = engine.learning_rate(epoch)
        way_out = "" if rate is None else f" Set train.learning_rate lower than {rate:g}, as {rate / 4:.2g}."
        return (
            f"The {self.name} diverged in epoch {epoch}, {done:,} of {self.rows:,} rows in: the training RMSE is "
            f"{rmse:.3g}, and a fit stays below {self.error_limit:g}, the width of the rating scale.{way_out}"
        )


def _least(best: float | None, rmse: float | None) -> float | None:
    known = [value for value in (best, rmse) if value is not None]
    return min(known) if known else None


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
