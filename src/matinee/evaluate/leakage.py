"""Temporal leakage: the share of test rows that are older than rows that the model was trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from matinee.evaluate.metrics import DatedRatings
from matinee.formats.metrics import Leakage


def measure_leakage(split: Path, subsets: Sequence[str], test: DatedRatings) -> Leakage | None:
    """Shares of the dated test rows that are older than the newest fitted row, of the same user and of any user.

    `subsets` are those that the weights were fitted on. None if the fitted rows or the test rows have no dates.
    """
    fitted = pl.scan_parquet([split / f"{subset}.parquet" for subset in subsets])
    newest = fitted.group_by("user_code").agg(pl.col("date").max()).drop_nulls().collect(engine="streaming")
    dated = np.flatnonzero(~np.isnat(test.dates))
    if newest.is_empty() or not len(dated):
        return None
    dates, users = test.dates[dated].astype("datetime64[D]"), test.users[dated]
    codes = newest["user_code"].to_numpy()
    latest = np.full(max(users.max(), codes.max()) + 1, np.datetime64("NaT", "D"))
    latest[codes] = newest["date"].to_numpy()
    # False for a user without fitted rows: a comparison with NaT is False.
    same_user = float(np.mean(dates < latest[users]))
    anyone = float(np.mean(dates < np.nanmax(latest)))
    return Leakage(rows=len(dated), same_user=same_user, anyone=anyone, says=_say(same_user, anyone))


def _say(same_user: float, anyone: float) -> str:
    if anyone == 0:
        return "No test row is older than any training row: there is no temporal leakage."
    return (
        f"Temporal leakage: {same_user:.0%} of the test rows are older than the newest training row of the same user, "
        f"{anyone:.0%} are older than the newest of any user. Metrics on such rows are optimistic; the temporal "
        "holdout is not."
    )
