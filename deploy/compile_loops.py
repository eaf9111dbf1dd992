"""Compile the loops of ingest, training, evaluation and lists, so that the first run after an installation need not.

    python deploy/compile_loops.py

It retrains on a few generated ratings, while a second process fits both presets to arrays. The compiled code stays in
numba's cache, next to the modules.
"""

import multiprocessing
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import matinee
from matinee.recommend.lists import recommend_all
from matinee.release.narrowing import Narrowing
from matinee.sample import write_sample
from matinee.settings import RankSettings, RecommendSettings
from matinee.settings.parse import read_settings


def main() -> None:
    """Compile in two processes. Raises RuntimeError if the second one fails."""
    fits = multiprocessing.get_context("spawn").Process(target=fit_presets)
    fits.start()
    with tempfile.TemporaryDirectory() as scratch:
        retrain(Path(scratch))
    fits.join()
    if fits.exitcode:
        raise RuntimeError(f"The process that compiles the fits ended with status {fits.exitcode}.")


def retrain(scratch: Path) -> None:
    """Retrain on ratings with numbers as ids, then on more ratings with texts as ids and with dates."""
    write_sample(scratch, ratings=20_000)
    ratings, titles = scratch / "ratings.csv", scratch / "movie_titles.csv"
    made = matinee.retrain(ratings, titles, scratch / "numbers").release
    if made is None:
        raise RuntimeError("The model of the sample is worse than bias-only, so that nothing was published.")
    for narrowing in (Narrowing(), Narrowing(per_year=1)):
        recommend_all(
            matinee.load(made),
            out=scratch / "lists.parquet",
            top=10,
            settings=RecommendSettings(),
            narrowing=narrowing,
        )
    texts = scratch / "texts.csv"
    pl.read_csv(ratings).with_columns(pl.col("userID", "movieID").cast(pl.String) + "x").write_csv(texts)
    matinee.retrain(texts, None, scratch / "texts")


def fit_presets() -> None:
    """Call the loops of the fits, in the order in which the other process will need them."""
    from matinee.train.candidate import warm_up  # noqa: PLC0415 - imported by this process alone
    from matinee.train.ranking.fit import fit_ranking  # noqa: PLC0415

    warm_up(read_settings(preset="fast").resolved(), device="cpu")
    # The sample has more movies than users. With as many, the equations are those of the movies.
    for users in (2, 3):
        codes, ratings = np.arange(users, dtype=np.int32), np.full(users, 5, np.float32)
        fit_ranking(codes, codes, ratings, users=users, movies=3, scale=(1.0, 5.0), settings=RankSettings())
    warm_up(read_settings(preset="accurate").resolved(), device="cpu")


if __name__ == "__main__":
    main()
