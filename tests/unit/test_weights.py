"""Weights in float16: half the bytes, the same predictions."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import matinee
from matinee.registry import Registry
from matinee.release.user_prior import PRIOR
from matinee.release.weights import halve_weights, read_weights
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.store.documents import read_json


def test_a_float16_release_predicts_like_a_float32_release(
    sample: Path, steps: Callable[..., Any], tmp_path: Path
) -> None:
    stores, releases = (tmp_path / "float32", tmp_path / "float16"), []
    for root in stores:
        if releases:  # the same candidate in another store, which has published nothing
            shutil.copytree(
                stores[0], root, ignore=shutil.ignore_patterns("releases", "champion.json", "log.jsonl")
            )
        settings = [f"release.storage={root.name}", "train.epochs=2", "gate.tolerance=1"]
        made = read_settings(assignments=settings)
        steps(Store.open(root), sample / "ratings.csv", sample / "movie_titles.csv", made)
        releases.append(matinee.load(Registry(root).champion_folder()))
    whole, half = releases
    pairs = np.repeat(whole.users.ids, 9), np.tile(whole.movies.ids[:9], len(whole.users))
    difference = half.predict(*pairs) - whole.predict(*pairs)
    assert 0 < np.abs(difference).max() < 0.01
    assert np.sqrt(np.mean(difference**2)) < 0.001
    sizes = [(release.path / "weights.safetensors").stat().st_size for release in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]
    ours, theirs = (read_json(release.path / PRIOR) for release in (half, whole))
    assert ours["noise_precision"] == pytest.approx(theirs["noise_precision"], rel=1e-3)


def test_biases_stay_in_float32(random_release: Callable[..., Path], tmp_path: Path) -> None:
    source, target = random_release() / "weights.safetensors", tmp_path / "half.safetensors"
    halve_weights(source, target)
    stored = load_file(target)
    assert {name for name, table in stored.items() if table.dtype == np.float16} == {
        "user_factors",
        "movie_factors",
    }
    assert read_weights(target)["mean"] == load_file(source)["mean"]
    with safe_open(source, "numpy") as before, safe_open(target, "numpy") as after:
        assert before.metadata() == after.metadata()
