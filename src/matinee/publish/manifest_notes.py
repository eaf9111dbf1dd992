"""The notes of a release's manifest: how its split was made and how its models were fitted."""

from typing import NamedTuple

from matinee.evaluate.tested import Models
from matinee.formats.manifests import CandidateManifest, RankingManifest, SplitManifest
from matinee.release.manifest import CutoffsNote, ReleasedModelName, SplitNote, SplitRule, TrainingNote
from matinee.release.plays import PLAYS_MODEL
from matinee.store import Store


class Fit(NamedTuple):
    """The model of a release, how its tested weights were fitted, and the rows of the published ones."""

    model: ReleasedModelName
    training: TrainingNote
    rows: int


def describe_fit(store: Store, *, tested: Models, shipped: Models) -> Fit:
    """The fit of the models that predict ratings, or of the ranking model of plays."""
    if tested.candidate is None:
        ranking = store.read(RankingManifest, shipped.judged.digest)
        return Fit(PLAYS_MODEL, TrainingNote(seconds_rank=ranking.seconds_rank), ranking.rows)
    candidate = store.read(CandidateManifest, tested.candidate.digest)
    training = TrainingNote(
        device=candidate.device,
        epochs_run=candidate.epochs_run,
        best_epoch=candidate.best_epoch,
        valid_rmse=candidate.valid_rmse,
        seconds_train=candidate.seconds_train,
    )
    return Fit(candidate.model, training, store.read(CandidateManifest, shipped.judged.digest).rows)


def describe_split(split: SplitManifest) -> SplitNote:
    """What a later split inherits, and what the card shows."""
    cutoffs = split.cutoffs
    return SplitNote(
        digest=split.digest,
        dataset=split.dataset,
        settings=SplitRule.model_validate(split.settings),
        counts=split.counts,
        cutoffs=None if cutoffs is None else CutoffsNote.model_validate(cutoffs.model_dump()),
        inherited=split.inherited,
    )
