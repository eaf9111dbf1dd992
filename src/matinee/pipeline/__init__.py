"""The whole pipeline without Prefect: the steps in order, and the decisions between them."""

from matinee.pipeline.steps import (
    Retrained,
    plan_evaluation,
    plan_ranking,
    plan_ranking_refit,
    plan_refit,
    plan_split,
    plan_training,
    retrain,
)

__all__ = [
    "Retrained",
    "plan_evaluation",
    "plan_ranking",
    "plan_ranking_refit",
    "plan_refit",
    "plan_split",
    "plan_training",
    "retrain",
]
