"""Matinee: retrain a movie recommender on a schedule and publish it only when it is good enough.

>>> import matinee
>>> run = matinee.retrain("sample/ratings.csv", "sample/movie_titles.csv", "store")
>>> release = matinee.load("store")
>>> len(release.recommend(5449, n=3))
3
"""

from typing import TYPE_CHECKING, Any

from matinee.errors import ConfigError, DatabaseError, DataError, MatineeError, ReleaseError, StoreError
from matinee.registry.champion import load
from matinee.release import Release

if TYPE_CHECKING:
    from matinee.pipeline import Retrained, retrain

__version__ = "0.1.0"
__all__ = [
    "ConfigError",
    "DataError",
    "DatabaseError",
    "MatineeError",
    "Release",
    "ReleaseError",
    "Retrained",
    "StoreError",
    "load",
    "retrain",
]


def __getattr__(name: str) -> Any:
    """The pipeline is imported when it is first asked for: a program that only loads releases has no torch."""
    if name in ("Retrained", "retrain"):
        from matinee import pipeline  # noqa: PLC0415

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
