"""Backups as described in docs/operations.md: a copy made during a run is a store that works like the original."""

import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import matinee
from matinee.registry import Registry
from matinee.settings import Settings
from matinee.store import Store

KINDS = ("partitions", "datasets", "encodings", "splits", "candidates", "evaluations", "releases")


def _folders(root: Path) -> set[str]:
    return {f"{kind}/{path.parent.name}" for kind in KINDS for path in root.glob(f"{kind}/*/manifest.json")}


def _train(epochs: int) -> Settings:
    return Settings.model_validate({"train": {"epochs": epochs, "patience": 0, "device": "cpu"}})


@pytest.mark.slow
def test_a_copy_made_during_a_run_loads_and_the_next_run_skips_finished_steps(
    steps: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    root, copy = tmp_path / "store", tmp_path / "elsewhere" / "store"
    call = {"ratings": sample / "ratings.csv", "titles": sample / "movie_titles.csv"}
    first = steps(Store.open(root), **call, settings=_train(2))
    before = _folders(root)
    run = threading.Thread(target=lambda: steps(Store(root), **call, settings=_train(600)))
    run.start()
    while not list(root.glob("work/*/*")) and run.is_alive():
        pass
    assert run.is_alive(), "the copy is made while a training is under way"
    copy.parent.mkdir()
    subprocess.run(["cp", "-a", root, copy], check=True)
    run.join()
    shutil.rmtree(root)

    registry = Registry.open(copy)
    folder = registry.champion_folder()
    matinee.release.verify(folder)
    assert len(matinee.load(folder).recommend(int(matinee.load(folder).users.ids[0]), 3)) == 3
    again = steps(Store.open(copy), **call, settings=_train(2))
    assert again.release == first.release
    assert again.location == str(folder)
    assert again.evaluation == first.evaluation
    assert _folders(copy) == before, "nothing was made again"
    told = [path for path in copy.rglob("*.json*") if str(root) in path.read_text("utf-8")]
    assert told == [], "no file of a store says where the store lies"
