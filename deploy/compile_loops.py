"""Compile the loops of ingest, training, evaluation and lists, so that the first run after an installation need not.

    python deploy/compile_loops.py

It retrains on a few generated ratings, and leaves the compiled code in numba's cache, next to the modules.
"""

import tempfile
from pathlib import Path

import matinee
from matinee.sample import write_sample


def main() -> None:
    """Retrain once in a folder that is removed."""
    with tempfile.TemporaryDirectory() as scratch:
        sample = Path(scratch) / "sample"
        write_sample(sample, ratings=20_000)
        matinee.retrain(sample / "ratings.csv", sample / "movie_titles.csv", Path(scratch) / "store")


if __name__ == "__main__":
    main()
