"""The evaluate step: metrics on the test rows, the gate's decision and plots, in one folder.

It runs after train and before publish, and is the only step that reads test rows.
"""

from functools import partial
from pathlib import Path

from matinee.evaluate.compared_model import ComparedModel
from matinee.formats.base import Manifest
from matinee.formats.manifests import EvaluationManifest
from matinee.formats.metrics import Metrics
from matinee.settings import RankSettings, Settings
from matinee.store import Plan, Reference, Store
from matinee.store.digests import code_digest, digest_of

__all__ = ["Champion", "plan", "plan_temporal_holdout"]


def plan_temporal_holdout(store: Store, split: Reference) -> Plan:
    """The folder of a split's outlook: outlook.json, figures of a quick model on the latest ratings."""

    def make(folder: Path) -> Manifest:
        from matinee.evaluate.temporal_holdout import write_temporal_holdout  # noqa: PLC0415 - as below

        return write_temporal_holdout(folder, split=store.path(split))

    fast = Settings().resolved()  # the settings of the quick model
    digest = digest_of(
        code=code_digest("matinee.evaluate.temporal_holdout"),
        split=split.digest,
        model=fast.model.model_dump(),
        train=fast.train.model_dump(exclude={"device", "threads"}),
        rank=RankSettings().model_dump(),
    )
    return Plan("outlooks", digest, make)


def plan(
    store: Store,
    *,
    candidate: Reference | None,
    ranking: Reference,
    split: Reference,
    champion: ComparedModel | None,
    settings: Settings,
    anchor: ComparedModel | None = None,
) -> Plan:
    """Plan an evaluation: metrics.json, decision.json and plots/.

    Args:
        store: The store that holds the candidate and the split.
        candidate: The candidate to evaluate; None for plays, where the ranking model is the candidate.
        ranking: The ranking model of the candidate.
        split: The split that it was trained on.
        champion: The champion; None before there is one, when only bias-only is compared.
        settings: All settings; the manifest keeps them, so that a held candidate can be published later.
        anchor: The anchor, if there is one.

    Returns:
        The plan of the evaluation's folder.
    """

    def make(folder: Path) -> Manifest:
        # Here, so that whoever only needs `Champion` does not wait for matplotlib and polars.
        from matinee.evaluate.play_report import write_play_evaluation  # noqa: PLC0415
        from matinee.evaluate.report import write_evaluation  # noqa: PLC0415

        made = store.ensure(temporal_holdout) if temporal_holdout else None
        write = (
            write_play_evaluation
            if candidate is None
            else partial(write_evaluation, candidate=store.path(candidate))
        )
        metrics, decision = write(
            folder,
            ranking=store.path(ranking),
            split=store.path(split),
            temporal_holdout=store.path(made) if made else None,
            champion=champion,
            anchor=anchor,
            settings=settings,
        )
        return EvaluationManifest(
            candidate=(candidate or ranking).digest,
            ranking=ranking.digest,
            split=split.digest,
            outlook=made.digest if made else None,
            settings=settings.spelled_out().model_dump(mode="json"),
            rows=metrics.rows,
            rmse=metrics.rmse if isinstance(metrics, Metrics) else None,
            promoted=decision.promoted,
            reason=decision.reason,
            champion=decision.champion,
        )

    temporal_holdout = plan_temporal_holdout(store, split) if settings.evaluate.temporal else None
    digest = digest_of(
        code=code_digest("matinee.evaluate", *_given(champion), *_given(anchor)),
        outlook=temporal_holdout.digest if temporal_holdout else None,
        candidate=candidate.digest if candidate else None,
        ranking=ranking.digest,
        split=split.digest,
        champion=champion.digest if champion else None,
        anchor=anchor.digest if anchor else None,
        settings=settings.gate.model_dump(),
        ranking_users=settings.evaluate.ranking_users,
    )
    return Plan("evaluations", digest, make)


def _given(model: ComparedModel | None) -> list[str]:
    """The modules of the functions of a compared model: their code is part of what is computed."""
    if model is None:
        return []
    functions = (model.predict, model.was_trained_on, model.knows_ids, model.data_summary, model.lists)
    return [function.__module__ for function in functions if function is not None]
