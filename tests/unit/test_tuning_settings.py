"""The ranges of a search, how its settings are chosen and written, and how a nightly run uses them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from matinee.cli.main import main
from matinee.cli.show_search import show_search
from matinee.errors import ConfigError, StoreError
from matinee.formats.tuning import Finalist, GoalResult, ScoreDifference, TrialNote, TuningResult
from matinee.pipeline.tuning import trials as storing
from matinee.pipeline.tuning.decision import choose
from matinee.pipeline.tuning.plots import history_plot
from matinee.pipeline.tuning.search import Tuning
from matinee.pipeline.tuning.settings_file import settings_toml
from matinee.pipeline.tuning.tuned_settings import TunedSettings
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.settings.presets import METHODS, RECIPES
from matinee.settings.space import (
    METHOD_SPACES,
    MODEL_SPACES,
    RANKING_SPACE,
    Range,
    ranking_space,
    rating_space,
    with_values,
)
from matinee.store import Reference, Store

BASE = read_settings(assignments=["train.epochs=4", "model.embedding_size=8", "train.threads=1"])


@pytest.mark.parametrize("method", METHODS)
def test_ranges_lie_within_the_bounds_of_their_settings(method: str) -> None:
    models = [name for name in RECIPES if name == "dot" or method in ("adagrad", "adam")]
    for model in models:
        base = read_settings(assignments=[f"model.name={model}", f"train.method={method}"])
        space = {**rating_space(base), **ranking_space(base)}
        assert space.keys() == {
            *METHOD_SPACES[base.resolved().train.method],
            *MODEL_SPACES[model],
            *RANKING_SPACE,
        }
        for end in ("low", "high"):
            with_values(base, {name: getattr(searched, end) for name, searched in space.items()}).check()


def test_a_range_is_extended_to_a_value_that_is_set() -> None:
    found = rating_space(read_settings(assignments=["train.weight_decay=0", "train.epochs=500"]))
    assert found["train.weight_decay"] == Range(0.0, METHOD_SPACES["sgd"]["train.weight_decay"].high)
    assert found["train.epochs"].high == 500


def _finalist(trial: int, value: float | None, error: float = 0.001) -> Finalist:
    found = None if value is None else ScoreDifference(value=value, standard_error=error)
    return Finalist(trial=trial, settings={}, searched=0.9, scores=[0.9], difference=found)


def test_settings_are_chosen_only_beyond_their_standard_error() -> None:
    base = _finalist(0, None)
    assert choose("ratings", [base, _finalist(4, -0.003), _finalist(7, -0.0025)]) == 4
    assert choose("ratings", [base, _finalist(4, -0.0023)]) == 0
    assert choose("ratings", [base, _finalist(4, 0.02)]) == 0
    assert choose("lists", [base, _finalist(4, 0.02), _finalist(5, -0.03)]) == 4
    assert choose("lists", [base]) == 0


def test_the_settings_file_reads_as_the_same_settings(tmp_path: Path) -> None:
    settings = read_settings(
        preset="accurate",
        assignments=[
            'ingest.columns={"user_id": "Wer \\"da\\"\x7f", "rating": "3"}',
            "gate.slices=false",
            "rank.penalty=1e-3",
        ],
    )
    (tmp_path / "best.toml").write_text(settings_toml(settings, ["a comment"]), "utf-8")
    assert read_settings(file=tmp_path / "best.toml") == settings
    assert settings_toml(Settings(), []) == "\n"


def test_without_optuna_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'matinee\[pipeline,tune\]'"):
        storing.check_installed()


def test_too_many_trials_or_workers_are_refused_before_prefect_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["tune", "--ratings", "r.csv", "--titles", "t.csv", "--store", str(tmp_path), "--trials", "3"]
    assert main([*call, "--workers", "65"]) == 2
    assert "--workers is 65; expected 64 or fewer." in capsys.readouterr().err
    assert main([*call[:-1], "10001"]) == 2
    assert "--trials is 10,001; expected 10,000 or fewer." in capsys.readouterr().err


def test_a_file_that_another_program_wrote_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.toml"
    out.write_text("mine = 1")
    call = ["tune", "--ratings", "r.csv", "--titles", "t.csv", "--store", str(tmp_path), "--trials", "3"]
    assert main([*call, "--out", str(out)]) == 2
    assert f"{out} was not written by `matinee tune`" in capsys.readouterr().err
    assert out.read_text() == "mine = 1"
    out.rename(tmp_path / "mine.html")
    assert main([*call, "--out", str(out)]) == 2
    assert f"{tmp_path / 'mine.html'} was not written by `matinee tune`" in capsys.readouterr().err


def test_a_night_uses_what_a_search_has_found_only_if_the_gate_passes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matinee.flows import nightly as nights

    store = Store.open(tmp_path / "store")
    found: list[Any] = [{"train.lr_gamma": 0.9}, {"train.lr_gamma": 0.7}, {}, StoreError("The disk is full.")]
    passes, trained, began = {0.9}, [], []

    def search(*, settings: Settings, **_: Any) -> TuningResult:
        began.append(settings.train.lr_gamma)
        values = found.pop(0)
        if isinstance(values, Exception):
            raise values
        return TuningResult(study="s", goals=[], settings=values, seconds=1.0, out="", page="")

    def retrain(*, settings: Settings, **_: Any) -> Any:
        trained.append(settings.train.lr_gamma)
        return SimpleNamespace(promoted=settings.train.lr_gamma in passes)

    monkeypatch.setattr(nights, "tune", search)
    monkeypatch.setattr(nights, "retrain", retrain)
    kept = TunedSettings(store, BASE)
    assert kept.is_due(days=30)
    for _ in range(4):
        nights._retrain(nights._Data(ratings=[], titles="", store=""), kept, trials=3)
    assert began == [None, 0.9, 0.9, 0.9]
    assert trained == [0.9, 0.7, 0.9, 0.9, 0.9]  # the gate held the candidate with 0.7
    assert kept.settings == with_values(BASE, {"train.lr_gamma": 0.9})
    assert not kept.is_due(days=30)
    assert kept.is_due(days=1e-9)
    other = TunedSettings(store, with_values(BASE, {"train.seed": 1}))
    assert (other.settings, other.is_due(days=30)) == (other.base, True)  # another deployment


def test_a_search_that_is_continued_keeps_the_time_it_began(
    planted_split: Callable[..., tuple[Store, Reference]],
) -> None:
    store, split = planted_split()
    search = Tuning.open(store, split, base=BASE, goals=["ratings"])
    path = search.folder / "study.json"
    path.write_text(path.read_text().replace(str(search.file.begun), "2026-01-02T03:04:05+00:00"))
    again = Tuning.open(store, split, base=BASE, goals=["ratings"])
    assert again.file.begun == "2026-01-02T03:04:05+00:00"
    assert show_search(store, again.file.study).made == again.file.begun


def test_trials_beyond_the_axis_are_arrows() -> None:
    scores = [0.90, 0.89, 0.91, 0.905, 0.9, 4.0]
    trials = [
        TrialNote(number=number, state="complete", settings={}, value=value, seconds=1)
        for number, value in enumerate(scores)
    ]
    result = GoalResult(
        goal="ratings", metric="rmse", trials=trials, finalists=[], chosen=0, importances={}, says=""
    )
    assert "drawn as arrows at the edge: 1." in history_plot(result)
    usual = result.model_copy(update={"trials": trials[:5]})
    assert "arrows" not in history_plot(usual)
