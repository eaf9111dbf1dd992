"""Ingest: rating files and a titles file, of whatever dialect, to validated tables; what is not taken is kept.

The first step of the flow. `plan` says what to make, the others read it back.
"""

from matinee.ingest.dataset import plan
from matinee.ingest.dataset_reader import iter_ratings, read_counts, read_titles_table
from matinee.ingest.rating_scale import SCALES
from matinee.ingest.screening import Screening, check_titles, find_unreadable, screen

__all__ = [
    "SCALES",
    "Screening",
    "check_titles",
    "find_unreadable",
    "iter_ratings",
    "plan",
    "read_counts",
    "read_titles_table",
    "screen",
]
