"""Compile the loops of ingest, training, evaluation and lists, so that the first run after an installation need not.

    python deploy/compile_loops.py

It retrains on a few generated ratings, and leaves the compiled code in numba's cache, next to the modules.
"""

import tempfile
from pathlib import Path

import numpy as np

import matinee
from matinee.sample import write_sample
from matinee.settings import RankSettings
from matinee.train.ranking.fit import fit_ranking


def main() -> None:
    """Retrain once in a folder that is removed."""
    with tempfile.TemporaryDirectory() as scratch:
        sample = Path(scratch) / "sample"
        write_sample(sample, ratings=20_000)
        matinee.retrain(sample / "ratings.csv", sample / "movie_titles.csv", Path(scratch) / "store")
    # The sample has more movies than users. With as many, the equations are those of the movies.
    codes, ratings = np.arange(3, dtype=np.int32), np.full(3, 5, np.float32)
    fit_ranking(codes, codes, ratings, users=3, movies=3, scale=(1.0, 5.0), settings=RankSettings())


if __name__ == "__main__":
    main()
