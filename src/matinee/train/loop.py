"""The training loop around an engine: history, progress, divergence, early stopping and checkpoints."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from matinee.errors import DivergenceError
from matinee.formats.history import FitPoint
from matinee.store.progress import Listener, Progress
from matinee.train.checkpoint import FitState
from matinee.train.engine import Arrays, Engine
from matinee.train.ranks.checkpoints import Checkpoints
from matinee.train.ranks.group import ALONE, Ranks

# Checkpoints take at most a tenth of the time: after each epoch, unless epochs are very short.
CHECKPOINT_SHARE = 0.1
_STATE, _BEST = "state.", "best."  # prefixes of a checkpoint's arrays


@dataclass(frozen=True)
class Stage:
    """One fit of a training: `fit` with early stopping on valid rows, or `refit` for a known number of epochs."""

    name: str
    epochs: int
    rows: int
    keeps_best: bool  # keep the weights of the best epoch by valid RMSE, not those of the last
    patience: int
    error_limit: float  # a training RMSE above it means divergence
    checkpoints: Checkpoints
    listener: Listener
    ranks: Ranks = ALONE

    def run(self, engine: Engine, *, started: float) -> FitState:
        """Run epochs until the last one, or until `patience` epochs brought no improvement; resume from a checkpoint.

        `started` is the clock before the engine was made, so that `seconds` includes its preparation. Raises
        DivergenceError if the fit diverges.
        """
        state, began = self._resume(engine), started
        saved = written = 0.0
        while not state.finished:
            for point in self._epoch(engine, state, began):
                state.points.append(point)
            self._judge(engine, state)
            now = time.perf_counter()
            state.seconds += now - began
            if state.finished or self.ranks.agree(now - saved >= written / CHECKPOINT_SHARE):
                self._save(engine, state)
                saved = time.perf_counter()
                written = saved - now
            began = time.perf_counter()
        return state

    def _epoch(self, engine: Engine, state: FitState, began: float) -> Iterator[FitPoint]:
        """Run one epoch; yields a point of the history per step, the last one with the valid RMSE."""
        state.epoch += 1
        epoch, done, start = state.epoch, 0, time.perf_counter()
        for step in engine.run_epoch(epoch):
            done += step.rows
            train_rmse = math.sqrt(step.squared_error / step.rows) if step.squared_error >= 0 else math.nan
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
            bytes_sent = {"bytes_sent": step.sent} if self.ranks.size > 1 else {}
            yield FitPoint(
                stage=self.name,
                epoch=epoch,
                rows_done=done,
                train_rmse=train_rmse,
                valid_rmse=valid_rmse,
                learning_rate=engine.learning_rate(epoch),
                seconds=round(state.seconds + now - began, 4),
                **bytes_sent,
            )

    def _judge(self, engine: Engine, state: FitState) -> None:
        """Keep the weights of the best epoch, and decide whether to stop."""
        rmse, last = state.points[-1].valid_rmse, state.epoch == self.epochs
        better = rmse is not None and (state.best_rmse is None or rmse < state.best_rmse)
        if better or not self.keeps_best:
            state.best_epoch, state.best_rmse = state.epoch, rmse
        if better if self.keeps_best else last:
            state.best = engine.weights()
        stale = self.keeps_best and 0 < self.patience <= state.epoch - state.best_epoch
        state.finished = last or stale

    def _save(self, engine: Engine, state: FitState) -> None:
        of_engine = {} if state.finished else engine.state()
        arrays = {_STATE + name: array for name, array in of_engine.items()}
        arrays |= {_BEST + name: array for name, array in state.best.items()}
        self.checkpoints.save(arrays, state)

    def _resume(self, engine: Engine) -> FitState:
        found = self.checkpoints.load()
        if found is None:
            return FitState()
        arrays, state = found
        state.best = _under(_BEST, arrays)
        if not state.finished:
            engine.restore(_under(_STATE, arrays))
        return state

    def _diverged(self, engine: Engine, epoch: int, done: int, rmse: float) -> str:
        rate = engine.learning_rate(epoch)
        remedy = "" if rate is None else f" Set train.learning_rate lower than {rate:g}, as {rate / 4:.2g}."
        return (
            f"The {self.name} diverged in epoch {epoch}, {done:,} of {self.rows:,} rows in: the training RMSE is "
            f"{rmse:.3g}, above {self.error_limit:g}, the width of the rating scale.{remedy}"
        )


def _least(best: float | None, rmse: float | None) -> float | None:
    known = [value for value in (best, rmse) if value is not None]
    return min(known) if known else None


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
