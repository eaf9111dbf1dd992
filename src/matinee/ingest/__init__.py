"""Ingest: reads rating files and a titles file of many dialects into validated tables, and keeps every rejected row.

The first step of the pipeline. `plan` describes the dataset to make, `iter_ratings` and the `read_` functions read it
back. `screen` checks new files one by one. Folders: `reading` (bytes to parsed rows), `partitions`, `duplicates`,
`titles`, `checks`, `inbox` (the drop folder).
"""

from matinee.ingest.dataset import plan
from matinee.ingest.dataset_reader import iter_ratings, read_counts, read_id_texts, read_titles_table
from matinee.ingest.screening import Screening, check_titles, find_unreadable, screen

__all__ = [
    "Screening",
    "check_titles",
    "find_unreadable",
    "iter_ratings",
    "plan",
    "read_counts",
    "read_id_texts",
    "read_titles_table",
    "screen",
]
