"""Databases as sources of ratings: the rows of a query become a file, which is read like any other.

Steps are planned more than once, so the rows are taken once per run: by one statement, in one read-only transaction.
"""

from matinee.ingest.databases.snapshot import snapshots

__all__ = ["snapshots"]
