"""Logs runs and releases to tracking servers of other projects."""

from matinee.pipeline.tracking.mlflow_log import check_tracking, log_to_mlflow

__all__ = ["check_tracking", "log_to_mlflow"]
