"""The champion on ratings of a file: what `matinee evaluate` measures by hand, the rows it was trained on left out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from matinee import ingest
from matinee.errors import DataError
from matinee.evaluate.metrics import estimate_mae, estimate_rmse, mae, rmse
from matinee.evaluate.released_model import ReleasedModel
from matinee.monitor.progressive import rated
from matinee.registry import Registry
from matinee.release.manifest import need
from matinee.settings.ingest import IngestSettings
from matinee.store import Store


def evaluate_champion(store: Store, paths: Sequence[Path], settings: IngestSettings) -> dict[str, Any]:
    """RMSE and MAE of the champion on the ratings of some files, beside the mean of what it was trained on.

    The tested weights are used, and rows they were fitted on are left out and counted. The files are read by
    `settings`, with the champion's scale. Raises ReleaseError without a champion, DataError when no row is left.
    """
    registry = Registry.open(store.root)
    model = ReleasedModel(store, registry.champion_folder())
    release = model.release
    scale = next(name for name, bounds in ingest.SCALES.items() if bounds == release.scale)
    settings = settings.model_copy(update={"scale": scale})
    dataset = store.ensure(ingest.plan(store, ratings=paths, titles=None, settings=settings))
    rows, read = pl.concat(ingest.iter_ratings(store, dataset)), store.manifest(dataset.kind, dataset.digest)
    users, movies = rows["user_id"].to_numpy(), rows["movie_id"].to_numpy()
    ratings = rows["rating"].to_numpy()
    # By its side of the split a pair may be a train row that came only after the release.
    known = rated(release.catalog, release.users.encode(users), release.movies.encode(movies))
    fresh = ~(known & model.was_trained_on(users, movies, ratings))
    if not fresh.any():
        raise DataError(
            f"{release.version} was trained on all {len(rows):,} ratings of {', '.join(map(str, paths))}. "
            "Give ratings that are newer, or that were test rows of its split."
        )
    users, movies, ratings = users[fresh], movies[fresh], ratings[fresh].astype(np.float64)
    errors = model.predict(users, movies) - ratings
    codes = release.users.encode(users), release.movies.encode(movies)
    clusters = [np.unique(ids, return_inverse=True)[1].astype(np.int32) for ids in (users, movies)]
    means = need(release.manifest, "metrics", "mean_rating") - ratings
    return {
        "release": release.version,
        "rows": len(ratings),
        "rows_seen": int(len(fresh) - len(ratings)),
        "rows_read": read["rows_read"],
        "rows_accepted": read["rows"],
        "rows_rejected": read["rows_rejected"],
        "rejects": read["rejects"],
        "warnings": read["warnings"],
        "rmse": rmse(errors),
        "mae": mae(errors),
        "global_mean_rmse": rmse(means),
        "global_mean_mae": mae(means),
        "rows_of_unknown_users": int(np.count_nonzero(codes[0] < 0)),
        "rows_of_unknown_movies": int(np.count_nonzero(codes[1] < 0)),
        "intervals": {
            "rmse": estimate_rmse(errors, *clusters).to_json(),
            "mae": estimate_mae(errors, *clusters).to_json(),
        },
    }
