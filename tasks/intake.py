"""The take-in task: the new files of the drop folder, for a nightly run."""

import logging
from pathlib import Path

from matinee.errors.log_filter import guard_log
from matinee.formats.steps import Step
from matinee.ingest.inbox import intake as library
from matinee.ingest.inbox.intake import Intake
from matinee.ingest.inbox.remote_drop import opened_drop
from matinee.ingest.reading.object_sources import local_file
from matinee.settings import Settings
from matinee.store import Store
from matinee.store.remote import address_of
from matinee.tasks.events import REFUSED, emit
from matinee.tasks.policies import step

log = logging.getLogger("matinee.run")


@step(Step.TAKE_IN)
def take_in(
    *, store: str, drop: str, titles: str, settings: Settings, settle_seconds: float, rows: list[str]
) -> Intake:
    """Find the complete files of the drop folder and set aside those that cannot be read, with an event for each."""

    def announce(report: str, reason: str) -> None:
        guard_log()
        log.warning("%s", reason)
        emit(REFUSED, store=store, report=report, reason=reason)

    with opened_drop(drop, store=address_of(store)) as opened:
        intake = library.take_in(
            Store.open(Path(store)),
            opened.folder,
            titles=local_file(titles),
            settings=settings,
            settle_seconds=0 if opened.has_copies else settle_seconds,
            rows=[Path(path) for path in rows],
            on_refused=announce,
        )
    ratings = [opened.lasting(path) for path in intake.ratings]
    return intake.model_copy(update={"ratings": ratings, "titles": opened.lasting(intake.titles)})
