"""Runs and releases at servers of others."""

from matinee.pipeline.tracking.mlflow_log import check_tracking, log_to_mlflow

__all__ = ["check_tracking", "log_to_mlflow"]
