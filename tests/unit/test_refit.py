"""The check of a refit: a refit similar to the tested weights passes, other weights fail."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from matinee.errors import DivergenceError
from matinee.evaluate.refit import check_refit
from matinee.evaluate.tested import Models
from matinee.evaluate.tested import Tested as Judged
from matinee.formats.base import Manifest
from matinee.formats.decision import RefitVerdict
from matinee.settings import GateSettings
from matinee.settings.parse import read_settings
from matinee.store import Plan, Reference, Store
from matinee.store.files import write_json
from matinee.train import plan, plan_refit_all

Weights = dict[str, np.ndarray]
Spoil = Callable[[Weights], None]
Check = Callable[[Spoil], RefitVerdict]


@pytest.fixture
def check(planted_split: Callable[..., tuple[Store, Reference]]) -> Check:
    """Returns a function that trains a candidate and its refit, changes the refit, and checks it."""
    store, split = planted_split()
    settings = read_settings(assignments=["train.refit=all", "train.epochs=5"])
    tested = store.ensure(plan(store, split, settings=settings))
    refit = store.ensure(plan_refit_all(store, tested))

    def checked(spoil: Spoil) -> RefitVerdict:
        path = store.path(refit) / "weights.safetensors"
        weights = {name: table.copy() for name, table in load_file(path).items()}
        spoil(weights)
        save_file(weights, path)
        return check_refit(
            store.path(tested), store.path(refit), split=store.path(split), settings=GateSettings()
        )

    return checked


def test_an_honest_refit_passes(check: Check) -> None:
    rule = check(lambda _: None)
    assert rule.passed, rule.says
    assert rule.figures["refit_rmse"] < rule.figures["tested_rmse"]  # it was trained on the test rows


def _lose_a_number(weights: Weights) -> None:
    weights["movie_bias"][3] = np.nan


def _forget_the_users(weights: Weights) -> None:
    weights["user_bias"][:] = weights["user_factors"][:] = 0


def _go_astray_where_no_test_row_is(weights: Weights) -> None:
    weights["user_bias"][::2] += 40


@pytest.mark.parametrize("spoil", [_lose_a_number, _forget_the_users])
def test_a_refit_with_other_predictions_fails(spoil: Spoil, check: Check) -> None:
    assert not check(spoil).passed


def test_predictions_beyond_the_test_rows_are_compared(check: Check, tmp_path: Path) -> None:
    """The test rows belong to half of the users, and the refit is wrong for the other half."""
    (test,) = tmp_path.rglob("test.parquet")
    pl.read_parquet(test).filter(pl.col("user_code") % 2 == 1).write_parquet(test)
    rule = check(_go_astray_where_no_test_row_is)
    assert rule.figures["refit_rmse"] < rule.figures["tested_rmse"]
    assert rule.figures["difference"] > rule.figures["limit"]
    assert not rule.passed


def test_a_refit_that_diverges_leaves_the_tested_weights(
    planted_split: Callable[..., tuple[Store, Reference]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from matinee import train
    from matinee.tasks.train import refit

    def diverge(_: Path) -> Manifest:
        raise DivergenceError("The refit diverged in epoch 1.")

    store, candidate = planted_split()
    passed = store.ensure(Plan("evaluations", "passed", _write_passed))
    monkeypatch.setattr(train, "plan_refit_all", lambda *_, **__: Plan("candidates", "r", diverge))
    settings = read_settings(assignments=["train.refit=all"])
    models = Models(candidate=candidate, ranking=None)
    tested = Judged(split=candidate, models=models, evaluation=passed)
    shipped = refit.fn(store=str(store.root), tested=tested, settings=settings)
    assert shipped == candidate
    assert DivergenceError("").kind == "ConfigError"


def _write_passed(folder: Path) -> Manifest:
    write_json(folder / "decision.json", {"promoted": True, "reason": "better", "rules": []})
    return Manifest.model_validate({"rows": 1})
