"""The head of a card, in the form that the Hugging Face Hub reads: library, tags and test figures, as YAML."""

import json
import re

from matinee.formats.metrics import Metrics
from matinee.release.manifest import ReleaseManifest
from matinee.store.metrics_file import AnyMetrics


def front_matter(manifest: ReleaseManifest, metrics: AnyMetrics) -> str:
    """The YAML block that a card begins with.

    The figures are JSON, which is YAML too.
    """
    figures = {"ndcg@10": ("nDCG@10", metrics.ranking.recommend.ndcg_at_10)}
    if isinstance(metrics, Metrics):
        task = "rating-prediction"
        figures = {"rmse": ("test RMSE", metrics.rmse), "mae": ("test MAE", metrics.mae), **figures}
    else:
        task = "recommendation"
    result = {
        "task": {"type": task},
        "dataset": {"type": "ratings", "name": f"dataset {manifest.dataset}", "split": "test"},
        "metrics": [
            {"type": kind, "name": name, "value": round(value, 6)} for kind, (name, value) in figures.items()
        ],
    }
    lines = [
        "---",
        "library_name: matinee",
        "tags: [recommender-system, collaborative-filtering, movies]",
        f"model-index: {json.dumps([{'name': manifest.version, 'results': [result]}])}",
        "---",
    ]
    return "\n".join(lines)


def without_front_matter(card: str) -> str:
    """The text of a card, for readers that do not know its head."""
    return re.sub(r"\A---\n.*?\n---\n+", "", card, count=1, flags=re.DOTALL)
