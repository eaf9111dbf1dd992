"""Progressive validation: the champion's error on ratings newer than itself, which is its error in production.

Each run measures it before it trains. The series is in the store as `progressive.json` and `progressive.png`, and is
kept when releases are pruned.
"""

import os
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from matinee import ingest
from matinee.errors import StoreError
from matinee.evaluate.metrics import estimate_rmse, mae, rmse
from matinee.formats.manifests import DatasetManifest
from matinee.registry import Registry, now
from matinee.release import Release, load
from matinee.release.arrays import Codes, Doubles
from matinee.release.code_predictions import predict_codes
from matinee.release.item_catalog import ItemCatalog
from matinee.release.manifest import read_manifest
from matinee.schemas.columns import polars_columns
from matinee.schemas.ratings import Ratings
from matinee.store import Reference, Store
from matinee.store.documents import SERIES, Point, PointInterval, Series, read_as
from matinee.store.files import replacing, write_json
from matinee.store.ratings import read_ratings
from matinee.store.remote import push_file
from matinee.train.baseline import Baseline, fit_baseline

PICTURE = "progressive.png"


class ChampionScore(BaseModel):
    """The champion's error on new ratings as a point of the series; if there is none, `says` gives the reason."""

    model_config = ConfigDict(frozen=True)

    point: Point | None
    says: str


def score_champion(store: Store, dataset: Reference) -> ChampionScore:
    """Measure the released champion on pairs that are not in its dataset, and add the point to the series once.

    A pair that was rated again is not new. The released weights are measured, even if they were fitted on all rows.
    """
    if score := known_score(store, dataset):
        return score
    registry = Registry.open(store.root)
    release = load(registry.champion_folder())
    version = release.version
    if not release.predicts:
        return ChampionScore(
            point=None, says=f"{version} was trained on plays, so there is no error to measure"
        )
    rows = _read_new(store, dataset, release)
    if rows.is_empty():
        return ChampionScore(point=None, says=f"no ratings are newer than {version}")
    point = _measure(store, dataset, release, rows)
    with registry.lock():
        points = read_series(store)
        if _key(point) not in map(_key, points):
            _write(store, [*points, point])
    return ChampionScore(point=point, says=_say(point))


def known_score(store: Store, dataset: Reference) -> ChampionScore | None:
    """The champion's score on a dataset if nothing has to be measured; else None."""
    registry = Registry.open(store.root)
    version = registry.champion()
    if version is None:
        return ChampionScore(point=None, says="there is no champion yet")
    known = [point for point in read_series(store) if _key(point) == (version, dataset.digest)]
    if known:
        return ChampionScore(point=known[0], says=_say(known[0]))
    if read_manifest(registry.champion_folder()).dataset == dataset.digest:
        return ChampionScore(point=None, says=f"no ratings are newer than {version}")
    return None


def read_series(store: Store) -> list[Point]:
    """All points, oldest first."""
    path = store.root / SERIES
    if not os.path.lexists(path):
        return []
    return read_as(path, Series).points


def _key(point: Point) -> tuple[str, str]:
    return point.release, point.dataset


def _read_new(store: Store, dataset: Reference, release: Release) -> pl.DataFrame:
    """The ratings whose pair is not in the champion's dataset; partitions that both datasets share are skipped."""
    made_of = release.manifest.need(release.manifest.dataset, "dataset")
    try:
        shared = set(store.read(DatasetManifest, made_of).partitions)
    except StoreError:  # no longer in the store: every pair is looked up
        shared = set()
    found = [pl.DataFrame(schema=polars_columns(Ratings))]
    for batch in ingest.iter_ratings(store, dataset, exclude=shared):
        users = release.users.encode(batch["user_id"].to_numpy())
        movies = release.movies.encode(batch["movie_id"].to_numpy())
        found.append(batch.filter(pl.Series(~rated(release.catalog, users, movies))))
    return pl.concat(found)


def rated(catalog: ItemCatalog, users: Codes, movies: Codes) -> NDArray[np.bool_]:
    """Which pairs of codes have a rating in the release's dataset; code -1 has none.

    Each user's movies are ascending, so a binary search runs over all pairs at once.
    """
    asked = np.flatnonzero((users >= 0) & (movies >= 0))
    low = np.asarray(catalog.seen_offsets[users[asked]])
    high = np.asarray(catalog.seen_offsets[users[asked] + 1])
    end, wanted, last = high, movies[asked], len(catalog.seen_movies) - 1
    while (open_ := low < high).any():
        middle = (low + high) // 2
        below = open_ & (catalog.seen_movies[np.minimum(middle, last)] < wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(open_ & ~below, middle, high)
    seen = np.zeros(len(users), np.bool_)
    if last >= 0:
        seen[asked] = (low < end) & (catalog.seen_movies[np.minimum(low, last)] == wanted)
    return seen


def _measure(store: Store, dataset: Reference, release: Release, rows: pl.DataFrame) -> Point:
    user_ids, movie_ids = rows["user_id"].to_numpy(), rows["movie_id"].to_numpy()
    ratings = rows["rating"].to_numpy().astype(np.float64)
    users, movies = release.users.encode(user_ids), release.movies.encode(movie_ids)
    errors: Doubles = predict_codes(release, users, movies) - ratings
    baseline = _baseline(store, release)
    low, high = release.scale
    clusters = [np.unique(ids, return_inverse=True)[1].astype(np.int32) for ids in (user_ids, movie_ids)]
    dates = rows["date"].drop_nulls()
    return Point(
        at=now(),
        release=release.version,
        dataset=dataset.digest,
        rows=len(ratings),
        first_date=str(dates.min()) if len(dates) else None,
        last_date=str(dates.max()) if len(dates) else None,
        rows_of_unknown_users=int(np.count_nonzero(users < 0)),
        rows_of_unknown_movies=int(np.count_nonzero(movies < 0)),
        rmse=rmse(errors),
        mae=mae(errors),
        interval=PointInterval(**estimate_rmse(errors, *clusters).interval().model_dump()),
        bias_only_rmse=rmse(np.clip(baseline.predict(users, movies), low, high) - ratings)
        if baseline
        else None,
        global_mean_rmse=rmse(release.manifest.figure("mean_rating") - ratings),
        test_rmse=release.manifest.figure("rmse"),  # on the champion's own test rows
    )


def _baseline(store: Store, release: Release) -> Baseline | None:
    """Bias-only fitted on the champion's train and valid rows; None if its split is no longer in the store."""
    manifest = release.manifest
    digest = manifest.need(manifest.published_split.digest, "split.digest")
    try:
        split = store.path(store.reference("splits", digest))
    except StoreError:
        return None
    rows = read_ratings(split, ("train", "valid"))
    return fit_baseline(
        rows.users, rows.movies, rows.ratings, users=len(release.users), movies=len(release.movies)
    )


def _write(store: Store, points: Sequence[Point]) -> None:
    """Replace the series and its plot, each atomically; call it under the registry's lock."""
    from matinee.evaluate import plot_style, plots  # noqa: PLC0415 - few runs draw, and matplotlib takes time to import

    write_json(store.root / SERIES, Series(points=list(points)))
    with replacing(store.root / PICTURE) as fresh:
        plot_style.save(plots.progressive(points), fresh)
    push_file(store.root, SERIES)
    push_file(store.root, PICTURE)


def _say(point: Point) -> str:
    bias_only = point.bias_only_rmse
    beside = "" if bias_only is None else f", bias-only {bias_only:.4f}"
    return (
        f"{point.release} on {point.rows:,} ratings that arrived after it: RMSE {point.rmse:.4f}{beside}; "
        f"{point.test_rmse:.4f} on its test rows"
    )
