"""What a model cost and how it was judged, as far as the store still knows it."""

from collections.abc import Sequence
from pathlib import Path

from matinee.formats.comparison import Cost
from matinee.formats.manifests import CandidateManifest, EvaluationManifest, RankingManifest
from matinee.formats.metrics import Metrics
from matinee.store import Store
from matinee.store.metrics_file import read_metrics


def read_cost(
    store: Store,
    *,
    candidate: str | None,
    ranking: str | None,
    evaluation: str | None,
    files: Sequence[Path],
    seconds_train: float | None = None,
) -> Cost:
    """The cost of a model, from the manifests of its steps.

    Args:
        store: The store that may have them.
        candidate: Digest of the tested candidate.
        ranking: Digest of the tested ranking model.
        evaluation: Digest of the evaluation.
        files: Weights, whose sizes are added up.
        seconds_train: What the release itself says of the fit.
    """
    fit = store.read_if_kept(CandidateManifest, candidate)
    lists = store.read_if_kept(RankingManifest, ranking)
    judged = store.read_if_kept(EvaluationManifest, evaluation)
    return Cost(
        seconds_train=fit.seconds_train if fit else seconds_train,
        seconds_compile=fit.seconds_compile if fit else None,
        seconds_rank=lists.seconds_rank if lists else None,
        seconds_evaluate=judged.seconds if judged else None,
        peak_bytes=judged.peak_bytes or None if judged else None,
        device=fit.device if fit else None,
        bytes=sum(path.stat().st_size for path in files if path.is_file()) or None,
    )


def own_figures(folder: Path) -> dict[str, float]:
    """The main figures of a model on its own test rows."""
    metrics = read_metrics(folder)
    lists = {"ndcg_at_10": metrics.ranking.recommend.ndcg_at_10}
    return {"rmse": metrics.rmse, "mae": metrics.mae, **lists} if isinstance(metrics, Metrics) else lists
