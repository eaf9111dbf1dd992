"""Matinee: retrain a movie recommender on a schedule and publish it only when it is good enough.

>>> import matinee
>>> run = matinee.retrain("sample/ratings.csv", "sample/movie_titles.csv", "store")
>>> release = matinee.load("store")
>>> len(release.recommend(5449, n=3))
3
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from matinee.errors import ConfigError, DatabaseError, DataError, MatineeError, ReleaseError, StoreError

if TYPE_CHECKING:
    from matinee.pipeline import Retrained, retrain
    from matinee.registry.champion import load
    from matinee.release import Release

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
_LATER = {
    "Release": "matinee.release",
    "Retrained": "matinee.pipeline",
    "load": "matinee.registry.champion",
    "retrain": "matinee.pipeline",
}


def __getattr__(name: str) -> Any:
    """What needs other packages is imported when it is first asked for.

    A program that only loads releases has no torch, and the help of the command line needs no numpy.
    """
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
