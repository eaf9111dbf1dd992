"""Whether the model was shown the future of its test rows: how many are older than what it was fitted on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from matinee.evaluate.metrics import DatedRatings


def measure_leakage(split: Path, parts: Sequence[str], test: DatedRatings) -> dict[str, Any] | None:
    """Shares of the dated test rows that are older than the newest fitted row, of the same user and of anyone.

    `parts` are those of the split that the weights were fitted on. None where either side has no dates.
    """
    fitted = pl.scan_parquet([split / f"{part}.parquet" for part in parts])
    newest = fitted.group_by("user_code").agg(pl.col("date").max()).drop_nulls().collect(engine="streaming")
    dated = np.flatnonzero(~np.isnat(test.dates))
    if newest.is_empty() or not len(dated):
        return None
    dates, users = test.dates[dated].astype("datetime64[D]"), test.users[dated]
    codes = newest["user_code"].to_numpy()
    latest = np.full(max(users.max(), codes.max()) + 1, np.datetime64("NaT", "D"))
    latest[codes] = newest["date"].to_numpy()
    same_user = float(
        np.mean(dates < latest[users])
    )  # never of a user without fitted rows: NaT is before nothing
    anyone = float(np.mean(dates < np.nanmax(latest)))
    return {"rows": len(dated), "same_user": same_user, "anyone": anyone, "says": _say(same_user, anyone)}


def _say(same_user: float, anyone: float) -> str:
    if anyone == 0:
        return "No test row is older than any row that the model was fitted on: it was shown nothing of their future."
    return (
        f"The split let the model see the future of its test rows: {same_user:.0%} of them are older than the newest "
        f"training row of the same user, {anyone:.0%} than the newest of anyone. Such figures flatter; the temporal "
        "ones do not."
    )
