"""The first step of the flows that train: files and queries to a dataset."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from matinee.flows.step_runner import StepRunner
from matinee.ingest.databases import snapshots
from matinee.settings.ingest import IngestSettings
from matinee.store import Reference
from matinee.tasks.ingest import ingest


def read_sources(
    steps: StepRunner, *, ratings: Sequence[str], titles: str, test: Sequence[str], settings: IngestSettings
) -> Reference:
    """Ingest rating files and the rows of queries; the rows are taken once per run.

    Args:
        steps: Runs the task.
        ratings: Rating files, folders, globs or queries.
        titles: The titles file.
        test: The same, of test rows.
        settings: How to read them.

    Returns:
        The dataset.
    """
    take = partial(snapshots, Path(steps.store), limits=settings)
    with take(ratings) as train_paths, take(test) as test_paths:
        return steps.run(
            ingest,
            store=steps.store,
            ratings=[str(path) for path in train_paths],
            titles=titles,
            test=[str(path) for path in test_paths],
            settings=settings,
        )
