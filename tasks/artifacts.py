"""Puts the pages of a finished step on the run in Prefect's UI."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from prefect.artifacts import create_markdown_artifact

from matinee.formats.steps import Step
from matinee.monitor.progressive import ChampionScore
from matinee.publish import Publication
from matinee.recommend import Recommended
from matinee.store import Reference, Store
from matinee.tasks import pages

log = logging.getLogger("matinee.run")

PAGES: Final[Mapping[Step, Mapping[str, Callable[..., str]]]] = {
    Step.INGEST: {"data": pages.data_report},
    Step.PROGRESSIVE: {"progressive": pages.progressive_report},
    Step.EVALUATE: {
        "learning-curve": pages.learning_curve,
        "evaluation": pages.evaluation_report,
        "gate": pages.gate_report,
    },
    Step.PUBLISH: {"card": pages.card, "release": pages.release_report},
    Step.RECOMMEND: {"lists": pages.lists_report},
}


def show(step: Step, store: Store, made: Reference | Publication | Recommended | ChampionScore) -> None:
    """Add the pages of a finished step to the run; if a page fails, a warning is logged."""
    for key, write in PAGES.get(step, {}).items():
        show_page(key, partial(write, store, made), description=write.__doc__)


def show_page(key: str, write: Callable[[], str], *, description: str | None) -> None:
    """Add a page to the run, unless it is empty; if it fails, a warning is logged."""
    try:
        if text := write():
            create_markdown_artifact(text, key=key, description=description)
    except Exception as error:  # noqa: BLE001 - pages are optional: no run may fail because of one
        log.warning("The page %s could not be shown (%s: %s).", key, type(error).__name__, error)
