"""The evaluate step: figures on the test rows, the gate's decision and their pictures, in one folder.

After train and before publish. The only step that reads test rows.
"""

from pathlib import Path
from typing import Any

from matinee.evaluate.gate import Champion
from matinee.lineage import code_digest, digest_of
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store

__all__ = ["Champion", "plan"]


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

        told = write_evaluation(
            folder,
            candidate=store.path(candidate),
            split=store.path(split),
            champion=champion,
            anchor=anchor,
            settings=settings.gate,
        )
        kept = settings.resolved().model_dump()
        return {"candidate": candidate.digest, "split": split.digest, "settings": kept, **told}

    digest = digest_of(
        code=code_digest("matinee.evaluate"),
        candidate=candidate.digest,
        split=split.digest,
        champion=champion.digest if champion else None,
        anchor=anchor.digest if anchor else None,
        settings=settings.gate.model_dump(),
    )
    return Plan("evaluations", digest, make)
