"""Models side by side: `compare_models`."""

from matinee.evaluate.comparison.compare import compare_models

__all__ = ["compare_models"]
