"""Progress of a fit: a bar on a terminal, log lines elsewhere, and always a bar on the run's page."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from matinee.store.progress import Listener
from matinee.store.progress import Progress as Point

log = logging.getLogger("matinee.train")

_SECONDS_BETWEEN_MOVES = 3.0  # an update delays the fit by some hundredths of a second
_SECONDS_BETWEEN_LINES = 5.0  # regular lines for a long fit, few for a short one


@contextlib.contextmanager
def reporting_progress() -> Iterator[Listener]:
    """A listener that reports progress during a fit."""
    with _terminal() as terminal:
        page = _Page()

        def report(point: Point) -> None:
            terminal(point)
            page(point)

        yield report


@contextlib.contextmanager
def _terminal() -> Iterator[Listener]:
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = [
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[facts]}"),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar)


class _Lines:
    """Logs a line every few seconds, and one when a stage ends."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, point: Point) -> None:
        if not _has_ended(point) and time.monotonic() - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = time.monotonic()
        log.info("%s  %s", _place(point), _facts(point))


class _Bar:
    """One bar over all epochs of a stage, and one log line when an epoch ends."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, point: Point) -> None:
        if point.stage not in self._tasks:
            self._tasks[point.stage] = self._bar.add_task(point.stage, total=None, facts="")
        self._bar.update(
            self._tasks[point.stage],
            description=_place(point),
            total=point.epochs * point.rows,
            completed=(point.epoch - 1) * point.rows + point.rows_done,
            facts=_facts(point),
        )


class _Page:
    """A progress bar on the run's page, updated every few seconds; after an error it is not updated again."""

    def __init__(self) -> None:
        self._stage = ""
        self._last = 0.0
        self._artifact: UUID | None = None
        self._works = True

    def __call__(self, point: Point) -> None:
        now, fresh, ended = time.monotonic(), point.stage != self._stage, _has_ended(point)
        if not self._works or not (fresh or ended or now - self._last >= _SECONDS_BETWEEN_MOVES):
            return
        self._stage, self._last = point.stage, now
        try:
            self._move(point, fresh=fresh)
        except Exception as error:  # noqa: BLE001 - the page is optional: no fit may fail because of it
            self._works = False
            log.warning("The progress could not be shown (%s: %s).", type(error).__name__, error)

    def _move(self, point: Point, *, fresh: bool) -> None:
        done = 100 * ((point.epoch - 1) * point.rows + point.rows_done) / (point.epochs * point.rows)
        text = f"{_place(point)}  {_facts(point)}"
        if fresh or self._artifact is None:
            made = create_progress_artifact(done, key="training-progress", description=text)
            assert isinstance(made, UUID)  # nosec B101 # for mypy: no coroutine, the caller is not asynchronous
            self._artifact = made
        else:
            update_progress_artifact(self._artifact, progress=done, description=text)


def _has_ended(point: Point) -> bool:
    return point.epoch == point.epochs and point.rows_done >= point.rows


def _place(point: Point) -> str:
    """The stage, and how far it is: the epoch, or a share if there is only one."""
    if point.epochs > 1:
        return f"{point.stage} {point.epoch}/{point.epochs}"
    return f"{point.stage} {point.rows_done / max(point.rows, 1):.0%}"


def _facts(point: Point) -> str:
    """Speed, errors and the time left; the ranking model has neither a speed nor errors."""
    minutes, seconds = divmod(round(point.seconds_left), 60)
    known = (
        ("{:.2f} M ratings/s", point.rows_per_second and point.rows_per_second / 1e6),
        ("train RMSE {:.4f}", point.train_rmse),
        ("valid RMSE {:.4f}", point.valid_rmse),
    )
    return "  ".join(
        [*(text.format(value) for text, value in known if value is not None), f"{minutes}:{seconds:02d} left"]
    )
