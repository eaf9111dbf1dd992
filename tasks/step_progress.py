"""Progress of a task: a bar on the run's page, and lines in its log unless a terminal shows it."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from matinee.store import progress
from matinee.store.progress import Amount, Work, watched
from matinee.store.progress_shown import Pace, describe, looking

log = logging.getLogger("matinee.progress")

_SECONDS_BETWEEN_MOVES: Final = 3.0
_SECONDS_BETWEEN_LINES: Final = 30.0


@contextlib.contextmanager
def reporting_progress(step: str, *, trains: bool = False) -> Iterator[None]:
    """Show what a step says of itself while the block runs.

    Args:
        step: Name of the step.
        trains: Whether it fits a model. The page of a fit has a bar however short the fit was; that of another step has
            one if it takes some seconds.
    """
    work = progress.watching()
    with contextlib.ExitStack() as stack:
        if logs := work is None:
            work = stack.enter_context(watched(Work()))
        progress.begin(step)
        page = _Page(work, "training" if trains else step.replace("_", "-"), logs=logs)
        with looking(work, page, every_seconds=_SECONDS_BETWEEN_MOVES):
            yield
        if trains:
            page.end(work.now())


class _Page:
    """A progress bar on the page of a run, and log lines; after an error the bar is not moved again."""

    def __init__(self, work: Work, name: str, *, logs: bool) -> None:
        self._work, self._key, self._logs = work, f"{name}-progress", logs
        self._pace = Pace()
        self._last_line = time.monotonic()
        self._artifact: UUID | None = None
        self._works = True

    def __call__(self, amount: Amount, at: float) -> None:
        self._pace.see(amount, at)
        if self._logs and at - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = at
            log.info("%s", self._text(amount, at))
        if amount.share is not None:
            self._move(amount.share, self._text(amount, at))

    def end(self, amount: Amount) -> None:
        """Show the last point of a fit."""
        at = time.monotonic()
        self._pace.see(amount, at)
        if amount.share is not None:
            self._move(1.0, self._text(amount, at))

    def _text(self, amount: Amount, at: float) -> str:
        return describe(amount, self._pace, heading=self._work.heading, at=at)

    def _move(self, share: float, text: str) -> None:
        if not self._works:
            return
        try:
            if self._artifact is None:
                made = create_progress_artifact(100 * share, key=self._key, description=text)
                assert isinstance(made, UUID)  # nosec B101 # for mypy: no coroutine, the caller is not asynchronous
                self._artifact = made
            else:
                update_progress_artifact(self._artifact, progress=100 * share, description=text)
        except Exception as error:  # noqa: BLE001 - the page is optional: no step may fail because of it
            self._works = False
            log.warning("The progress could not be shown (%s: %s).", type(error).__name__, error)
