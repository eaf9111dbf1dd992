"""Matinee: retrain a movie recommender on a schedule and publish it only when it is good enough.

>>> import matinee
>>> release = matinee.load("store/releases/v0001")  # doctest: +SKIP
>>> release.predict([6, 7], [8, 8])  # doctest: +SKIP
"""

from matinee.errors import ConfigError, DataError, MatineeError, ReleaseError, StoreError
from matinee.release import Release, load

__version__ = "0.1.0"
__all__ = ["ConfigError", "DataError", "MatineeError", "Release", "ReleaseError", "StoreError", "load"]
