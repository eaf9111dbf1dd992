"""Ingest: rating files and a titles file, of whatever dialect, to validated tables; what is not taken is kept.

The first step of the flow. `plan` says what to make, the others read it back.
"""

from matinee.ingest._dataset import plan
from matinee.ingest._read import iter_ratings, read_counts, read_titles_table
from matinee.ingest._scale import SCALES
from matinee.ingest._sift import Sifted, check_titles, find_unreadable, sift

__all__ = [
    "SCALES",
    "Sifted",
    "check_titles",
    "find_unreadable",
    "iter_ratings",
    "plan",
    "read_counts",
    "read_titles_table",
    "sift",
]
