"""The evaluate step: figures on the test rows, the gate's decision and their pictures, in one folder.

After train and before publish. The only step that reads test rows.
"""

from pathlib import Path
from typing import Any

from matinee.evaluate.gate import Champion
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.store.digests import code_digest, digest_of

__all__ = ["Champion", "plan", "plan_outlook"]


def plan_outlook(store: Store, split: Reference) -> Plan:
    """The folder of a split's outlook: outlook.json, figures of a quick model on the latest ratings."""

    def make(folder: Path) -> dict[str, Any]:
        from matinee.evaluate.temporal_holdout import write_outlook  # noqa: PLC0415 - as below

        return write_outlook(folder, split=store.path(split))

    fast = Settings().resolved()  # as the quick model is fitted
    digest = digest_of(
        code=code_digest("matinee.evaluate.temporal_holdout"),
        split=split.digest,
        model=fast.model.model_dump(),
        train=fast.train.model_dump(exclude={"device", "threads"}),
    )
    return Plan("outlooks", digest, make)


def plan(
    store: Store,
    *,
    candidate: Reference,
    split: Reference,
    champion: Champion | None,
    settings: Settings,
    anchor: Champion | None = None,
) -> Plan:
    """The folder of an evaluation: metrics.json, decision.json and plots/.

    With no champion the candidate is judged against bias-only alone. The manifest keeps all settings, for whoever
    publishes a held candidate by name.
    """

    def make(folder: Path) -> dict[str, Any]:
        # Here, so that whoever only needs `Champion` does not wait for matplotlib and polars.
        from matinee.evaluate.report import write_evaluation  # noqa: PLC0415

        made = store.ensure(outlook) if outlook else None
        told = write_evaluation(
            folder,
            candidate=store.path(candidate),
            split=store.path(split),
            outlook=store.path(made) if made else None,
            champion=champion,
            anchor=anchor,
            settings=settings,
        )
        kept = settings.spelled_out().model_dump()
        inputs = {"candidate": candidate.digest, "split": split.digest}
        return {**inputs, "outlook": made.digest if made else None, "settings": kept, **told}

    outlook = plan_outlook(store, split) if settings.evaluate.temporal else None
    digest = digest_of(
        code=code_digest("matinee.evaluate", *_given(champion), *_given(anchor)),
        outlook=outlook.digest if outlook else None,
        candidate=candidate.digest,
        split=split.digest,
        champion=champion.digest if champion else None,
        anchor=anchor.digest if anchor else None,
        settings=settings.gate.model_dump(),
        ranking_users=settings.evaluate.ranking_users,
    )
    return Plan("evaluations", digest, make)


def _given(opponent: Champion | None) -> list[str]:
    """The modules whose functions answer for an opponent: what they do is part of what is computed."""
    if opponent is None:
        return []
    functions = (opponent.predict, opponent.saw, opponent.knows, opponent.portrait)
    return [function.__module__ for function in functions if function is not None]
