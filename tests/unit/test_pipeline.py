"""`matinee.retrain` runs all steps in one call of a program. The flow is tested on the same store."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

import matinee
from matinee.errors import ConfigError
from matinee.formats.decision import DecisionFile
from matinee.pipeline import plan_training
from matinee.publish import step
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store
from matinee.store.documents import read_as
from matinee.train import device_lock


def test_a_second_call_computes_nothing_and_a_held_candidate_is_not_released(
    sample: Path, tmp_path: Path
) -> None:
    sources = sample / "ratings.csv", sample / "movie_titles.csv"
    fast = read_settings(assignments=["train.epochs=3"])
    first = matinee.retrain(*sources, tmp_path / "store", settings=fast)
    again = matinee.retrain(*sources, tmp_path / "store", settings=fast)
    assert again.publication == first.publication.model_copy(update={"replaced": again.publication.replaced})
    assert (again.dataset, again.split, again.candidate) == (first.dataset, first.split, first.candidate)
    assert first.release is not None
    assert matinee.load(first.release).manifest["metrics"]["rmse"] == first.metrics.rmse

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


def test_the_champion_is_published_again_with_other_weights(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refit or another ranking model of the champion's own candidate is decided on in one evaluation."""

    def retrain(*assignments: str) -> matinee.Retrained:
        settings = read_settings(assignments=["train.epochs=3", *assignments])
        return matinee.retrain(
            sample / "ratings.csv", sample / "movie_titles.csv", tmp_path / "store", settings=settings
        )

    def judge_again(*_: object, **__: object) -> NoReturn:
        pytest.fail("The candidate was evaluated again, and would be forever.")

    first = retrain()
    monkeypatch.setattr(step, "evaluate", SimpleNamespace(plan=judge_again))
    refit = retrain("train.refit=all")
    assert refit.candidate == first.candidate
    assert refit.evaluation == first.evaluation
    assert (refit.publication.release, refit.publication.replaced) == ("v0002", "v0001")
    assert retrain("train.refit=all").publication.release == "v0002"

    other = retrain("rank.dropout=0.5")
    assert other.candidate == first.candidate
    assert (
        read_as(Store(tmp_path / "store").path(other.evaluation) / DecisionFile.NAME, DecisionFile).champion
        == "v0002"
    )


def test_two_programs_train_one_after_the_other(
    planted_split: Callable[..., tuple[Store, Reference]], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    monkeypatch.setattr(
        device_lock, "hold", lambda device: contextlib.nullcontext(held.append(device))
    )  # tests/flows/test_device_lock.py tests the lock
    store, split = planted_split()
    for _ in range(2):  # an existing candidate waits for no lock
        store.ensure(plan_training(store, split, settings=read_settings(assignments=["train.device=cpu"])))
    assert held == ["cpu"]


def test_a_setting_without_effect_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    useless = Settings.model_validate({"train": {"sweeps": 10}})
    with pytest.raises(ConfigError, match=r"train\.sweeps has no effect"):
        matinee.retrain(tmp_path / "none.csv", None, tmp_path / "store", settings=useless)
    assert not (tmp_path / "store").exists()
