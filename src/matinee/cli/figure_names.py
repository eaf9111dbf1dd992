"""The names of figures on the terminal; `--json` has its own, which never change."""

from collections.abc import Mapping
from typing import Final

FIGURE_NAMES: Final[Mapping[str, str]] = {
    "rmse": "rmse",
    "mae": "mae",
    "ndcg_at_10": "ndcg@10",
    "recall_at_10": "recall@10",
    "bias_only": "bias-only",
    "global_mean": "global mean",
    "popularity": "popularity",
}
