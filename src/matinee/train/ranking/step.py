"""The rank step: read a split's rows, fit the ranking model, write its folder."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from matinee.formats.manifests import RankingManifest
from matinee.release.arrays import Counts
from matinee.release.ranking_model import RANKING, Grades, RankingModel, grade_codes, save_model
from matinee.release.rating_levels import to_levels
from matinee.settings import RankSettings
from matinee.store.progress import Listener, Progress
from matinee.store.ratings import count_codes, count_rows, read_ratings, row_chunks
from matinee.train.ranking.fit import (
    RankingRows,
    RankListener,
    RankProgress,
    fit_grouped,
    group_for_ranking,
)
from matinee.train.ranking.method import DeviceMemoryError, Method
from matinee.train.ranking.normal import method_for
from matinee.train.ranking.penalty import with_penalty

log = logging.getLogger("matinee.run")
_Fitted = TypeVar("_Fitted")

# Where each stage begins and ends, of the whole fit: about what they take on a large catalog.
_SHARES: Final = {
    "products": (0.0, 0.3),
    "factor": (0.3, 0.6),
    "halves": (0.6, 1.0),
    "iterations": (0.6, 1.0),
}
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
    device: str,
    may_fall_back: bool,
    work: Path,
    listener: Listener,
) -> RankingManifest:
    """Fit on some subsets of a split, and write ranking.safetensors.

    Args:
        folder: The folder to fill.
        split: Folder of the split.
        split_digest: Its digest, for the manifest.
        scale: The scale of its ratings.
        subsets: The subsets to fit on.
        settings: Settings of the ranking model.
        threads: CPU threads.
        device: The device to fit on.
        may_fall_back: Whether the CPU fits if the GPU has too little memory. The manifest records it.
        work: Where checkpoints are kept.
        listener: Called with the progress of the fit.

    Returns:
        The manifest.
    """
    users, movies = (count_rows(split / f"{name}.parquet") for name in ("users", "movies"))
    rows = read_ratings(split, subsets)
    started = time.perf_counter()
    watch = FitShare(listener)
    settings = with_penalty(
        settings, rows, users=users, scale=scale, threads=threads, listener=watch.before_the_fit
    )
    columns = rows.users, rows.movies, grade_codes(to_levels(rows.ratings, scale))
    del rows  # frees the ratings, four of twelve bytes per row
    counts = count_codes(columns[1], movies)
    grouped = _group_rated(*columns, counts=counts, users=users, scale=scale, threads=threads)
    del columns  # frees the rest before the fit
    fit = partial(
        _fit_rated,
        grouped,
        counts,
        settings=settings,
        checkpoint=work / "ranking.safetensors",
        listener=watch,
    )
    (model, method), device = _fit_where_it_fits(fit, device, may_fall_back=may_fall_back)
    save_model(folder / RANKING, model)
    return RankingManifest(
        split=split_digest,
        rows=int(counts.sum()),
        subsets=list(subsets),
        scale=list(scale),
        embedding_size=int(model.decode.shape[1]),
        settings=settings.model_dump(mode="json"),
        device=device,
        method=method,
        seconds_rank=round(time.perf_counter() - started, 4),
    )


def _group_rated(
    user_codes: npt.NDArray[np.int32],
    movie_codes: npt.NDArray[np.int32],
    grades: Grades,
    *,
    counts: Counts,
    users: int,
    scale: tuple[float, float],
    threads: int,
) -> RankingRows:
    """Group the ratings. Movies without any get no code, because a titles file may list ten times as many.

    `counts` has the ratings of each movie. The movie codes are overwritten.
    """
    rated = np.flatnonzero(counts)
    place = np.zeros(len(counts), np.int32)
    place[rated] = np.arange(len(rated), dtype=np.int32)
    for chunk in row_chunks(len(movie_codes)):
        movie_codes[chunk] = place[movie_codes[chunk]]
    return group_for_ranking(
        user_codes, movie_codes, grades, users=users, movies=len(rated), scale=scale, threads=threads
    )


def _fit_rated(
    rows: RankingRows,
    counts: Counts,
    *,
    settings: RankSettings,
    device: str,
    checkpoint: Path,
    listener: RankListener,
) -> tuple[RankingModel, Method]:
    """Fit on the movies that have ratings; the model has all movies, whose ratings `counts` has."""
    torch_device = None if device == "cpu" else device  # on a CPU, compiled kernels are quicker
    fitted = fit_grouped(
        rows, settings=settings, device=torch_device, checkpoint=checkpoint, listener=listener
    )
    method = method_for(
        users=rows.frequent.users,
        movies=rows.frequent.movies,
        ratings=len(rows.frequent.by_user.others),
        memory=settings.dense_mb << 20,
        device=torch_device,
    )
    rated = np.flatnonzero(counts)
    return fitted.rearranged(rated, np.arange(len(rated)), movies=len(counts)), method


def _fit_where_it_fits(
    fit: Callable[..., _Fitted], device: str, *, may_fall_back: bool
) -> tuple[_Fitted, str]:
    """What a fit returns, and the device that fitted it."""
    try:
        return fit(device=device), device
    except DeviceMemoryError as error:
        if not may_fall_back:
            raise
        log.warning("%s The CPU fits it instead (train.device=auto).", error)
        return fit(device="cpu"), "cpu"


class FitShare:
    """Passes each point on to those who watch fits, who may stop it, as a share of the whole."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._share = listener, 0.0

    def before_the_fit(self, point: RankProgress) -> None:
        """Pass a point of the choice of the penalty on: nothing of the fit is done."""
        self(replace(point, stage="choice"))

    def __call__(self, point: RankProgress) -> None:
        """Raise what the listener raises. Parts of a solve leave the share as it is: how many follow is not known."""
        if point.stage in _SHARES:
            first, last = _SHARES[point.stage]
            self._share = first + (last - first) * point.done / max(point.total, 1)
        self._listener(
            Progress(
                stage="rank",
                epoch=1,
                epochs=1,
                rows_done=round(_WHOLE * self._share),
                rows=_WHOLE,
                rows_per_second=None,
                train_rmse=None,
                valid_rmse=None,
                best_rmse=None,
                seconds_left=point.seconds * (1 - self._share) / max(self._share, 0.01),
            )
        )
