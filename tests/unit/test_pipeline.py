"""`matinee.retrain`: the steps in one call, for a program; the flow is tested against the same store."""

import doctest
from pathlib import Path

import matinee
from matinee.pipeline import steps
from matinee.settings.parse import read_settings


def test_the_example_in_the_docstring(tmp_path: Path) -> None:
    found = doctest.testmod(steps, extraglobs={"folder": tmp_path})
    assert found.attempted > 5
    assert not found.failed


def test_a_second_call_computes_nothing_and_a_held_candidate_is_no_release(
    sample: Path, tmp_path: Path
) -> None:
    sources = sample / "ratings.csv", sample / "movie_titles.csv"
    fast = read_settings(assignments=["train.epochs=3"])
    first = matinee.retrain(*sources, tmp_path / "store", settings=fast)
    again = matinee.retrain(*sources, tmp_path / "store", settings=fast)
    assert again.publication == first.publication.model_copy(update={"replaced": again.publication.replaced})
    assert (again.dataset, again.split, again.candidate) == (first.dataset, first.split, first.candidate)
    assert first.release is not None
    assert matinee.load(first.release).manifest["metrics"]["rmse"] == first.metrics["rmse"]

    worse = read_settings(assignments=["train.epochs=1", "train.learning_rate=0.0001"])
    held = matinee.retrain(*sources, tmp_path / "store", settings=worse)
    assert (held.release, held.publication.promoted) == (None, False)


def test_a_refit_on_all_rows_is_published_by_one_call(sample: Path, tmp_path: Path) -> None:
    settings = read_settings(assignments=["train.epochs=3", "train.refit=all"])
    run = matinee.retrain(
        sample / "ratings.csv", sample / "movie_titles.csv", tmp_path / "store", settings=settings
    )
    assert run.release is not None
    assert (run.release / "tested.safetensors").is_file()
