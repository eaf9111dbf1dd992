"""The evaluate step: metrics on the test rows, the gate's decision and plots, in one folder.

It runs after train and before publish, and is the only step that reads test rows.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.tested import Models, Tested
from matinee.formats.base import Manifest
from matinee.formats.manifests import EvaluationManifest, SplitManifest
from matinee.formats.metrics import Metrics
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.store.background import in_background
from matinee.store.digests import code_digest, digest_of

__all__ = ["Models", "Tested", "plan", "plan_temporal_holdout"]

_MOST_AT_ONCE = 200_000_000  # rows of a split whose evaluation and temporal holdout fit into memory together


def plan_temporal_holdout(store: Store, split: Reference) -> Plan:
    """The temporal holdout of a split: outlook.json, figures of a quick model on the latest ratings."""

    def make(folder: Path) -> Manifest:
        from matinee.evaluate.temporal_holdout import write_temporal_holdout  # noqa: PLC0415 - as below

        return write_temporal_holdout(folder, split=store.path(split))

    from matinee.train.ranking.quick import QUICK  # noqa: PLC0415 - as below

    fast = Settings().resolved()  # the settings of the quick model
    digest = digest_of(
        code=code_digest("matinee.evaluate.temporal_holdout"),
        split=split.digest,
        model=fast.model.model_dump(),
        train=fast.train.model_dump(exclude={"device", "threads", "ranks", "time"}),
        rank=QUICK.model_dump(),
    )
    return Plan("outlooks", digest, make)


def plan(
    store: Store,
    models: Models,
    *,
    split: Reference,
    champion: ComparedModel | None,
    settings: Settings,
    anchor: ComparedModel | None = None,
) -> Plan:
    """Plan an evaluation: metrics.json, decision.json and plots/.

    Args:
        store: The store that holds the models and the split.
        models: The candidate to evaluate, and its ranking model.
        split: The split that they were trained on.
        champion: The champion; None before there is one, when only bias-only is compared.
        settings: All settings; the manifest keeps them, so that a held candidate can be published later.
        anchor: The anchor, if there is one.

    Returns:
        The plan of the evaluation's folder.
    """
    inputs = _Inputs(store, models, split, champion, anchor, settings)
    return Plan("evaluations", inputs.digest(), inputs.evaluate)


@dataclass(frozen=True)
class _Inputs:
    """What an evaluation is made from."""

    store: Store
    models: Models
    split: Reference
    champion: ComparedModel | None
    anchor: ComparedModel | None
    settings: Settings

    def digest(self) -> str:
        """The name of the evaluation's folder."""
        candidate, temporal_holdout = self.models.candidate, self._temporal_holdout()
        return digest_of(
            code=code_digest("matinee.evaluate", *_given(self.champion), *_given(self.anchor)),
            outlook=temporal_holdout.digest if temporal_holdout else None,
            candidate=candidate.digest if candidate else None,
            ranking=self.models.required_ranking.digest,
            split=self.split.digest,
            champion=self.champion.digest if self.champion else None,
            anchor=self.anchor.digest if self.anchor else None,
            settings=self.settings.gate.model_dump(),
            ranking_users=self.settings.evaluate.ranking_users,
        )

    def evaluate(self, folder: Path) -> Manifest:
        """Fill the folder; returns its manifest."""
        # Here, because planning an evaluation needs neither matplotlib nor polars.
        from matinee.evaluate.play_step import write_play_evaluation  # noqa: PLC0415
        from matinee.evaluate.step import write_evaluation  # noqa: PLC0415

        write = (
            write_play_evaluation
            if self.models.candidate is None
            else partial(write_evaluation, candidate=self.store.path(self.models.candidate))
        )
        plan = self._temporal_holdout()
        with self._making(plan) as temporal_holdout:
            metrics, decision = write(
                folder,
                ranking=self.store.path(self.models.required_ranking),
                split=self.store.path(self.split),
                temporal_holdout=temporal_holdout,
                champion=self.champion,
                anchor=self.anchor,
                settings=self.settings,
            )
        return EvaluationManifest(
            candidate=self.models.judged.digest,
            ranking=self.models.required_ranking.digest,
            split=self.split.digest,
            outlook=plan.digest if plan else None,
            settings=self.settings.spelled_out().model_dump(mode="json"),
            rows=metrics.rows,
            rmse=metrics.rmse if isinstance(metrics, Metrics) else None,
            promoted=decision.promoted,
            reason=decision.reason,
            champion=decision.champion,
        )

    @contextlib.contextmanager
    def _making(self, plan: Plan | None) -> Iterator[Callable[[], Path | None]]:
        """Make the temporal holdout during the block, or before it where memory matters; yields how to get it."""
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - as above

        def make() -> Path | None:
            return self.store.path(self.store.ensure(plan)) if plan else None

        if plan is None or self._rows() > _MOST_AT_ONCE:
            made = make()
            yield lambda: made
            return
        # Both limit the threads of BLAS while they fit or rank: the first to end must not lift the limit of the other.
        with threadpool_limits(1, "blas"), in_background(make) as result:
            yield result

    def _rows(self) -> int:
        return sum(self.store.read(SplitManifest, self.split.digest).counts.values())

    def _temporal_holdout(self) -> Plan | None:
        return plan_temporal_holdout(self.store, self.split) if self.settings.evaluate.temporal else None


def _given(model: ComparedModel | None) -> list[str]:
    """The modules of the functions of a compared model: their code is part of what is computed."""
    if model is None:
        return []
    functions = (model.predict, model.was_trained_on, model.knows_ids, model.data_summary, model.lists)
    return [function.__module__ for function in functions if function is not None]
