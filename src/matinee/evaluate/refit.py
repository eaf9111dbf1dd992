"""The check between a refit on all rows and the tested weights that passed the gate, before either is published.

After a refit on all rows no unseen row is left, so the refit is compared with the weights that it was refitted from.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file

from matinee.evaluate.metrics import rmse
from matinee.formats.decision import RefitVerdict
from matinee.formats.manifests import CandidateManifest, SplitManifest
from matinee.release import scoring as forward
from matinee.release.arrays import Codes
from matinee.settings import GateSettings
from matinee.store.documents import MANIFEST, read_as

_PAIRS = 100_000  # the mean difference is then known to a hundredth of itself


def check_refit(tested: Path, refit: Path, *, split: Path, settings: GateSettings) -> RefitVerdict:
    """Whether a candidate's refit may take the place of its tested weights.

    It has seen the test rows, so its RMSE there is at most the tested one plus the tolerance; on random pairs of
    trained ids the mean absolute difference of the two is at most `gate.refit_difference` of the scale's width; and
    every weight is a number.

    Args:
        tested: Folder of the candidate.
        refit: Folder of its refit.
        split: Folder of the split of both.
        settings: `tolerance` and `refit_difference`.

    Returns:
        The verdict, with the figures that it rests on.
    """
    weights = [load_file(folder / "weights.safetensors") for folder in (tested, refit)]
    if not all(np.isfinite(table).all() for table in weights[1].values()):
        says = "some weights of the refit are not numbers"
        return RefitVerdict(name="refit", passed=False, says=says, finite=False)
    return _compare(weights, read_as(tested / MANIFEST, CandidateManifest).model, split, settings)


def _compare(
    weights: Sequence[Mapping[str, NDArray[Any]]], model: str, split: Path, settings: GateSettings
) -> RefitVerdict:
    """Compare the tested weights with those of the refit, on the test rows and on random pairs."""
    low, high = read_as(split / MANIFEST, SplitManifest).scale
    test = pl.read_parquet(split / "test.parquet", columns=["user_code", "movie_code", "rating"])
    pairs = _draw_pairs(split)

    def predict(users: Codes, movies: Codes) -> list[NDArray[np.float64]]:
        found = (forward.predict(each, users, movies, model=model) for each in weights)
        return [np.clip(ratings.astype(np.float64), low, high) for ratings in found]

    on_test = predict(test["user_code"].to_numpy(), test["movie_code"].to_numpy())
    before, after = (rmse(predicted - test["rating"].to_numpy()) for predicted in on_test)
    ours, theirs = predict(*pairs)
    apart = float(np.abs(ours - theirs).mean())
    limit = settings.refit_difference * (high - low)
    says = (
        f"RMSE of the refit {after:.4f} on the test rows, which it has seen, against {before:.4f} of the tested "
        f"weights (tolerance {settings.tolerance:g}); mean difference {apart:.3f} (limit {limit:.3f})"
    )
    return RefitVerdict(
        name="refit",
        passed=after <= before + settings.tolerance and apart <= limit,
        says=says,
        finite=True,
        refit_rmse=after,
        tested_rmse=before,
        tolerance=settings.tolerance,
        difference=apart,
        limit=limit,
        pairs=len(pairs[0]),
    )


def _draw_pairs(split: Path) -> tuple[Codes, Codes]:
    """Users and movies that the tested weights know, each drawn evenly; the same ones each time."""
    draw = np.random.default_rng(0)
    users, movies = (
        np.flatnonzero(pl.read_parquet(split / f"{table}.parquet", columns=["train_rows"])["train_rows"] > 0)
        for table in ("users", "movies")
    )
    return draw.choice(users, _PAIRS).astype(np.int32), draw.choice(movies, _PAIRS).astype(np.int32)
