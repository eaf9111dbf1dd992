"""The whole pipeline without Prefect: the steps in order, and the decisions between them."""

from matinee.pipeline.run import Retrained, retrain
from matinee.pipeline.steps import (
    plan_evaluation,
    plan_ingest,
    plan_ranking,
    plan_ranking_refit,
    plan_refit,
    plan_split,
    plan_training,
)

__all__ = [
    "Retrained",
    "plan_evaluation",
    "plan_ingest",
    "plan_ranking",
    "plan_ranking_refit",
    "plan_refit",
    "plan_split",
    "plan_training",
    "retrain",
]
