"""The result of a retrain run, as scripts read it."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from matinee.formats.manifests import CandidateManifest, DatasetManifest
from matinee.formats.metrics import Metrics
from matinee.formats.play_metrics import PlayMetrics
from matinee.formats.steps import Step
from matinee.publish import Publication
from matinee.store import Reference, Store
from matinee.store.documents import Point
from matinee.store.metrics_file import read_metrics


class Summary(BaseModel):
    """The result of a retrain run; scripts read it as the last line of `--json`."""

    release: str | None
    promoted: bool
    reason: str
    location: str | None
    metrics: Metrics | PlayMetrics
    rows: dict[str, int]
    rejects: dict[str, int]
    warnings: list[str]
    seconds: dict[str, float]
    cached: list[str]
    folders: dict[str, str]
    progressive: Point | None  # the champion's error on ratings newer than itself
    ranks: int = 1  # processes that fitted the candidate together
    bytes_sent: int | None = None  # by each of several ranks round the ring, in that fit and its refit


def summarize(
    store: Store,
    made: Mapping[Step, Reference],
    publication: Publication,
    *,
    seconds: Mapping[Step, float],
    cached: Sequence[Step],
    progressive: Point | None,
) -> Summary:
    """The summary of a finished run, from the folders of its steps.

    Args:
        store: The store.
        made: The folder of each step that has one.
        publication: What was published, or why the candidate was held.
        seconds: The duration of each step; of a fit that this run made, the summary has those of its manifest.
        cached: The steps that were finished before.
        progressive: The champion's error on ratings newer than itself, if it was measured.
    """
    dataset = store.read(DatasetManifest, made[Step.INGEST].digest)
    spent: dict[str, float] = dict(seconds.items())
    ranks, sent = _ranks(store, made)
    if Step.TRAIN in cached:
        spent["compile"] = 0.0
    elif Step.TRAIN in made:  # plays have no such step
        candidate = store.read(CandidateManifest, made[Step.TRAIN].digest)
        spent |= {Step.TRAIN: candidate.seconds_train, "compile": candidate.seconds_compile}
    return Summary(
        release=publication.release,
        promoted=publication.promoted,
        reason=publication.reason,
        location=publication.location,
        metrics=read_metrics(store.folder("evaluations", publication.evaluation)),
        rows=dataset.row_counts,
        rejects=dataset.rejects,
        warnings=dataset.warnings,
        seconds=spent,
        cached=[*cached],
        folders={step: folder.location for step, folder in made.items()},
        progressive=progressive,
        ranks=ranks,
        bytes_sent=sent,
    )


def _ranks(store: Store, made: Mapping[Step, Reference]) -> tuple[int, int | None]:
    """The number of ranks that fitted the candidate, and what each sent."""
    if Step.TRAIN not in made:
        return 1, None
    candidate = store.read(CandidateManifest, made[Step.TRAIN].digest)
    return candidate.ranks, candidate.bytes_sent
