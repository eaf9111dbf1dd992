"""The rank step: read a split's rows, fit the ranking model, write its folder."""

import time
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.formats.manifests import RankingManifest
from matinee.release.ranking_model import RANKING, TABLES, RankingModel, save_model
from matinee.settings import RankSettings
from matinee.store.progress import Listener, Progress
from matinee.store.ratings import count_codes, count_rows, read_ratings
from matinee.train.ranking.fit import RankProgress, fit_ranking

# Where each stage begins and ends, of the whole fit: about what they take on a large catalog.
_SHARES: Final = {"products": (0.0, 0.3), "factor": (0.3, 0.6), "iterations": (0.6, 1.0)}
_WHOLE: Final = 1000


def write_ranking(
    folder: Path,
    *,
    split: Path,
    split_digest: str,
    scale: tuple[float, float],
    subsets: tuple[str, ...],
    settings: RankSettings,
    threads: int,
    work: Path,
    listener: Listener,
) -> RankingManifest:
    """Fit on some subsets of a split, write ranking.safetensors, and return what the manifest says."""
    rows = read_ratings(split, subsets)
    users, movies = (count_rows(split / f"{name}.parquet") for name in ("users", "movies"))
    started = time.perf_counter()
    rated = np.flatnonzero(count_codes(rows.movies, movies))  # a title file may list ten times as many movies
    place = np.zeros(movies, np.int32)
    place[rated] = np.arange(len(rated), dtype=np.int32)
    fitted = fit_ranking(
        rows.users,
        place[rows.movies],
        rows.ratings,
        users=users,
        movies=len(rated),
        scale=scale,
        settings=settings,
        threads=threads,
        checkpoint=work / "ranking.safetensors",
        listener=partial(_report, listener),
    )
    model = _spread(fitted, rated, movies=movies)
    save_model(folder / RANKING, model)
    return RankingManifest(
        split=split_digest,
        rows=len(rows),
        subsets=list(subsets),
        scale=list(scale),
        embedding_size=int(model.decode.shape[1]),
        settings=settings.model_dump(mode="json"),
        seconds_rank=round(time.perf_counter() - started, 4),
    )


def _spread(model: RankingModel, rated: NDArray[np.intp], *, movies: int) -> RankingModel:
    """The model of a catalog in which the other movies have zeros."""
    tables = {}
    for name in TABLES:
        table = getattr(model, name)
        tables[name] = np.zeros((movies, *table.shape[1:]), table.dtype)
        tables[name][rated] = table
    return RankingModel(**tables)


def _report(listener: Listener, point: RankProgress) -> None:
    """Pass a point on to those who watch fits, as a share of the whole; stages within a round are left out."""
    if point.stage not in _SHARES:
        return
    first, last = _SHARES[point.stage]
    share = first + (last - first) * point.done / max(point.total, 1)
    listener(
        Progress(
            stage="rank",
            epoch=1,
            epochs=1,
            rows_done=round(_WHOLE * share),
            rows=_WHOLE,
            rows_per_second=None,
            train_rmse=None,
            valid_rmse=None,
            best_rmse=None,
            seconds_left=point.seconds * (1 - share) / max(share, 0.01),
        )
    )
