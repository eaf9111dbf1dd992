"""The rank step: read a split's rows, fit the ranking model, write its folder."""

import time
from pathlib import Path

from matinee.formats.manifests import RankingManifest
from matinee.release.ranking_model import RANKING, save_model
from matinee.settings import RankSettings
from matinee.store.progress import Listener, Progress
from matinee.store.ratings import count_rows, read_ratings
from matinee.train.ranking.fit import RankProgress, fit_ranking


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
    model = fit_ranking(
        rows.users,
        rows.movies,
        rows.ratings,
        users=users,
        movies=movies,
        scale=scale,
        settings=settings,
        threads=threads,
        checkpoint=work / "ranking.safetensors",
        listener=lambda point: listener(_as_progress(point)),
    )
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


def _as_progress(point: RankProgress) -> Progress:
    """The same point for those who watch fits; it counts pieces of work, and no ratings."""
    left = point.seconds * (point.total - point.done) / max(point.done, 1)
    return Progress(
        stage=f"rank: {point.stage}",
        epoch=max(point.done, 1),
        epochs=max(point.total, 1),
        rows_done=int(point.stage == "iterations"),  # the last stage: its end is the end of the fit
        rows=1,
        rows_per_second=None,
        train_rmse=None,
        valid_rmse=None,
        best_rmse=None,
        seconds_left=left,
    )
