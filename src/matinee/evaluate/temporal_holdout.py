"""The temporal holdout: a quick model, fitted only on older ratings, predicts the latest ratings.

The same model also predicts as many rows drawn at random, so that only the choice of test rows differs. The figures
are `temporal` in metrics.json. They depend on the split alone, and are computed once per split.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.errors import DataError
from matinee.evaluate.metrics import DatedRatings, estimate_rmse, mae, rmse
from matinee.evaluate.recent import count_recent
from matinee.evaluate.temporal_lists import Sizes, measure_temporal_lists
from matinee.formats.manifests import SplitManifest, TemporalHoldoutManifest
from matinee.formats.metrics import QuickFigures, Temporal, TemporalHoldout, TemporalLists
from matinee.formats.play_metrics import PlayTemporal, PlayTemporalHoldout
from matinee.release import scoring as forward
from matinee.settings import GradientTraining, Settings
from matinee.settings.training import DotModel
from matinee.split.time_split import choose_cuts, day_text
from matinee.store import progress
from matinee.store.documents import MANIFEST, read_as
from matinee.store.files import write_json
from matinee.store.ratings import EncodedRatings, count_rows
from matinee.store.system import available_cores
from matinee.train.baseline import fit_baseline
from matinee.train.problem import Problem
from matinee.train.sgd import SgdEngine

_TEST_SHARE = 0.1
_MOST_ROWS = 5_000_000  # with more, only some users are taken, so that the two fits take seconds
_USER_PARTS = 1000
_COLUMNS = ("user_code", "movie_code", "rating")


def write_temporal_holdout(folder: Path, *, split: Path) -> TemporalHoldoutManifest:
    """Fill the folder of a temporal holdout and return what its manifest says; all parts of the split are its data.

    `temporal` is null where the ratings have too few dates to cut between.
    """
    progress.begin("temporal holdout")
    manifest = read_as(split / MANIFEST, SplitManifest)
    low, high = manifest.scale
    rows, share = _read_dated(split)
    if (cut := _find_cut(rows)) is None:
        write_json(folder / TemporalHoldout.NAME, TemporalHoldout(temporal=None))
        return TemporalHoldoutManifest(rows=rows.height, split=manifest.digest)
    progress.begin("temporal holdout: lists")
    later = rows["date"].to_physical().to_numpy() >= cut
    lists = PlayTemporal(
        cut=day_text(cut),
        rows=int(later.sum()),
        rows_fitted=int((~later).sum()),
        users_share=share,
        lists=_lists(rows, later, split, scale=(low, high)),
    )
    plays = manifest.feedback == "implicit"
    write_json(
        folder / TemporalHoldout.NAME,
        PlayTemporalHoldout(temporal=lists)
        if plays
        else TemporalHoldout(temporal=_with_errors(lists, rows, later, split, scale=(low, high))),
    )
    return TemporalHoldoutManifest(rows=rows.height, split=manifest.digest)


def _find_cut(rows: pl.DataFrame) -> int | None:
    """The first day of the latest tenth; None where there are too few dates to cut between."""
    counts = Counter(dict(rows["date"].to_physical().value_counts().iter_rows()))
    try:
        return choose_cuts(counts, test_fraction=_TEST_SHARE, valid_fraction=_TEST_SHARE).test_from
    except DataError:
        return None


def _with_errors(
    lists: PlayTemporal,
    rows: pl.DataFrame,
    later: NDArray[np.bool_],
    split: Path,
    *,
    scale: tuple[float, float],
) -> Temporal:
    """The same with the errors of a quick model, in time and on as many rows drawn at random."""
    progress.begin("temporal holdout: errors")
    drawn = np.zeros(len(later), np.bool_)
    drawn[np.random.default_rng(0).choice(len(later), lists.rows, replace=False)] = True
    return Temporal(
        cut=lists.cut,
        rows=lists.rows,
        rows_fitted=lists.rows_fitted,
        users_share=lists.users_share,
        **dict(_fit_and_test(rows, later, split, scale=scale)),
        at_random=_fit_and_test(rows, drawn, split, scale=scale),
        lists=lists.lists,
    )


def _read_dated(split: Path) -> tuple[pl.DataFrame, float]:
    """All rows that have a date, or those of a share of the users, and that share."""
    rows = pl.scan_parquet([split / f"{part}.parquet" for part in ("train", "valid", "test")])
    dated = rows.select(*_COLUMNS, "date").filter(pl.col("date").is_not_null())
    count = dated.select(pl.len()).collect().item()
    progress.part("read", 1, 2)  # a stop ends the work here
    parts = min(_USER_PARTS, _MOST_ROWS * _USER_PARTS // max(count, 1))
    if parts < _USER_PARTS:
        dated = dated.filter(pl.col("user_code") % _USER_PARTS < parts)
    return dated.collect(), parts / _USER_PARTS


def _fit_and_test(
    rows: pl.DataFrame, held_out: NDArray[np.bool_], split: Path, *, scale: tuple[float, float]
) -> QuickFigures:
    """The quick model, bias-only and the global mean on the rows held out, fitted on the others."""
    past, test = (
        EncodedRatings(*(rows[name].to_numpy()[chosen] for name in _COLUMNS))
        for chosen in (~held_out, held_out)
    )
    users, movies = (count_rows(split / f"{table}.parquet") for table in ("users", "movies"))
    baseline = fit_baseline(past.users, past.movies, past.ratings, users=users, movies=movies)
    weights = _fit(past, users=users, movies=movies, scale=scale)
    model, bias_only, global_mean = (
        np.clip(prediction.astype(np.float64), *scale) - test.ratings
        for prediction in (
            forward.predict(weights, test.users, test.movies, model="dot"),
            baseline.predict(test.users, test.movies),
            np.full(len(test), baseline.mean),
        )
    )
    met_users, met_movies = (
        np.bincount(past.users, minlength=users),
        np.bincount(past.movies, minlength=movies),
    )
    return QuickFigures(
        rmse=rmse(model),
        mae=mae(model),
        interval=estimate_rmse(model, test.users, test.movies).interval(),
        bias_only_rmse=rmse(bias_only),
        global_mean_rmse=rmse(global_mean),
        rows_of_unknown_users=int(np.count_nonzero(met_users[test.users] == 0)),
        rows_of_unknown_movies=int(np.count_nonzero(met_movies[test.movies] == 0)),
    )


def _lists(
    rows: pl.DataFrame, later: NDArray[np.bool_], split: Path, *, scale: tuple[float, float]
) -> TemporalLists | None:
    """Lists for the time after the cut, by a ranking model of the time before."""
    past, test = (
        DatedRatings(*(rows[name].to_numpy()[chosen] for name in (*_COLUMNS, "date")))
        for chosen in (~later, later)
    )
    sizes = Sizes(*(count_rows(split / f"{table}.parquet") for table in ("users", "movies")))
    recent = count_recent(rows.filter(pl.Series(~later)).lazy(), movies=sizes.movies)
    if recent is None:
        return None
    return measure_temporal_lists(past, test, recent, sizes=sizes, scale=scale)


def _fit(
    past: EncodedRatings, *, users: int, movies: int, scale: tuple[float, float]
) -> dict[str, NDArray[Any]]:
    """The weights of the preset `fast`; the same bits at any number of threads."""
    fast = Settings().resolved()
    model, training = fast.model, fast.train
    assert isinstance(model, DotModel)  # nosec B101 # for mypy: the defaults are those of the preset `fast`
    assert isinstance(training, GradientTraining)  # nosec B101
    problem = Problem(
        rows=past,
        valid=None,
        users=users,
        movies=movies,
        scale=scale,
        device="cpu",
        threads=available_cores(),
    )
    engine = SgdEngine(problem, model, training=training)
    for epoch in range(1, training.epochs + 1):
        for _ in engine.run_epoch(epoch):
            progress.part("epoch", epoch, training.epochs)
    return engine.weights()
