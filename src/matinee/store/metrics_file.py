"""Reads metrics.json: the figures of ratings and lists, or only of lists for plays."""

from pathlib import Path

from matinee.formats.metrics import Metrics
from matinee.formats.play_metrics import PlayMetrics
from matinee.store.documents import read_as, read_json

AnyMetrics = Metrics | PlayMetrics


def read_metrics(folder: Path) -> AnyMetrics:
    """The figures in the folder of an evaluation or of a release.

    Raises StoreError if they are absent or damaged.
    """
    path = folder / Metrics.NAME
    return read_as(path, Metrics) if "rmse" in read_json(path) else read_as(path, PlayMetrics)
