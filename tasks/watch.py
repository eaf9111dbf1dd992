"""Who watches a fit: a progress bar on a terminal, plain lines everywhere else."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from matinee.progress import Listener
from matinee.progress import Progress as Point

log = logging.getLogger("matinee.train")

_SECONDS_BETWEEN_LINES = 5.0  # a long fit says where it is, a short one does not flood the log


@contextlib.contextmanager
def watching() -> Iterator[Listener]:
    """A listener for the time of a fit."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = [
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[speed]}  {task.fields[score]}  {task.fields[left]}"),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar)


class _Lines:
    """A line every few seconds, and one when a stage ends."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, point: Point) -> None:
        ended = point.epoch == point.epochs and point.rows_done >= point.rows
        if not ended and time.monotonic() - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = time.monotonic()
        log.info("%s  %s  %s  %s", _epoch(point), _speed(point), _score(point), _left(point))


class _Bar:
    """One bar over all epochs of a stage, and one log line when an epoch ends."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, point: Point) -> None:
        if point.stage not in self._tasks:
            self._tasks[point.stage] = self._bar.add_task(
                point.stage, total=None, speed="", score="", left=""
            )
        self._bar.update(
            self._tasks[point.stage],
            description=_epoch(point),
            total=point.epochs * point.rows,
            completed=(point.epoch - 1) * point.rows + point.rows_done,
            speed=_speed(point),
            score=_score(point),
            left=_left(point),
        )


def _epoch(point: Point) -> str:
    return f"{point.stage} {point.epoch}/{point.epochs}"


def _speed(point: Point) -> str:
    return f"{point.rows_per_second / 1e6:.2f} M ratings/s"


def _score(point: Point) -> str:
    parts = []
    if point.train_rmse is not None:
        parts.append(f"train RMSE {point.train_rmse:.4f}")
    if point.valid_rmse is not None:
        parts.append(f"valid RMSE {point.valid_rmse:.4f}")
    return "  ".join(parts)


def _left(point: Point) -> str:
    minutes, seconds = divmod(round(point.seconds_left), 60)
    return f"{minutes}:{seconds:02d} left"
