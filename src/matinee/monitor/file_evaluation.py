"""The champion's error on the ratings of some files (`matinee evaluate`), without rows that it was trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import Field

from matinee import ingest
from matinee.errors import DataError
from matinee.evaluate.metrics import estimate_mae, estimate_rmse, mae, rmse
from matinee.evaluate.released_model import ReleasedModel
from matinee.formats.manifests import DatasetManifest
from matinee.formats.metrics import Intervals
from matinee.monitor.file_rows import FileRows, file_rows
from matinee.monitor.play_evaluation import PlayFileEvaluation, measure_plays
from matinee.monitor.progressive import rated
from matinee.registry import Registry
from matinee.settings.ingest import IngestSettings, scale_name
from matinee.store import Store, progress
from matinee.store.database_address import place_of


class FileEvaluation(FileRows):
    """The champion on the ratings of some files."""

    rmse: float = Field(description="Root mean squared error.")
    mae: float = Field(description="Mean absolute error.")
    global_mean_rmse: float = Field(description="RMSE of the mean of the champion's own ratings.")
    global_mean_mae: float = Field(description="Its mean absolute error.")
    rows_of_unknown_users: int = Field(description="Ratings by users that the champion does not know.")
    rows_of_unknown_movies: int = Field(description="Ratings of movies that it does not know.")
    intervals: Intervals = Field(description="95% intervals of RMSE and MAE.")


def evaluate_champion(
    store: Store, paths: Sequence[Path], settings: IngestSettings
) -> FileEvaluation | PlayFileEvaluation:
    """Measure RMSE and MAE of the champion, and of its mean rating, on the ratings of some files.

    Of a champion of plays, the lists are measured.

    The tested weights are measured. Rows that they were fitted on are excluded and counted.

    Args:
        store: The store with the champion.
        paths: Rating files, folders or globs.
        settings: How to read them; the champion's scale is used.

    Raises:
        ReleaseError: There is no champion.
        DataError: No row is left.
    """
    registry = Registry.open(store.root)
    champion = ReleasedModel(store, registry.champion_folder())
    release = champion.release
    kind = {"scale": scale_name(*release.scale)} if release.predicts else {"feedback": "implicit"}
    settings = settings.model_copy(update=kind)
    dataset = store.ensure(ingest.plan(store, ratings=paths, titles=None, settings=settings))
    progress.begin("measuring")
    rows, read = pl.concat(ingest.iter_ratings(store, dataset)), store.read(DatasetManifest, dataset.digest)
    fresh = rows.filter(_was_not_trained_on(champion, rows))
    if fresh.is_empty():
        raise DataError(
            f"{release.version} was trained on all {len(rows):,} rows of {', '.join(map(place_of, paths))}. "
            "Give newer rows, or test rows of its split."
        )
    files = file_rows(release, fresh, read, seen=len(rows) - len(fresh))
    if release.predicts:
        return _measure_ratings(champion, fresh, files)
    users, movies = fresh["user_id"].to_numpy(), fresh["movie_id"].to_numpy()
    figures = measure_plays(release, release.users.encode(users), release.movies.encode(movies))
    return PlayFileEvaluation(**dict(files), **dict(figures))


def _was_not_trained_on(champion: ReleasedModel, rows: pl.DataFrame) -> pl.Series:
    users, movies = rows["user_id"].to_numpy(), rows["movie_id"].to_numpy()
    release = champion.release
    # By its hash, a pair newer than the release may belong to the train subset; the release never saw it.
    known = rated(release.catalog, release.users.encode(users), release.movies.encode(movies))
    return pl.Series(~(known & champion.was_trained_on(users, movies, rows["rating"].to_numpy())))


def _measure_ratings(champion: ReleasedModel, rows: pl.DataFrame, files: FileRows) -> FileEvaluation:
    release = champion.release
    users, movies = rows["user_id"].to_numpy(), rows["movie_id"].to_numpy()
    ratings = rows["rating"].to_numpy().astype(np.float64)
    errors = champion.predict(users, movies) - ratings
    codes = release.users.encode(users), release.movies.encode(movies)
    clusters = [np.unique(ids, return_inverse=True)[1].astype(np.int32) for ids in (users, movies)]
    means = release.manifest.figure("mean_rating") - ratings
    return FileEvaluation(
        **dict(files),
        rmse=rmse(errors),
        mae=mae(errors),
        global_mean_rmse=rmse(means),
        global_mean_mae=mae(means),
        rows_of_unknown_users=int(np.count_nonzero(codes[0] < 0)),
        rows_of_unknown_movies=int(np.count_nonzero(codes[1] < 0)),
        intervals=Intervals(
            rmse=estimate_rmse(errors, *clusters).interval(),
            mae=estimate_mae(errors, *clusters).interval(),
        ),
    )
