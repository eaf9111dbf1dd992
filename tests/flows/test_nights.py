"""Several nights: the champion on later ratings, and a gate whose temporal split moves."""

import importlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from calls import Answer
from prefect.exceptions import CancelledRun

from matinee import ingest
from matinee.cli.main import main
from matinee.errors import ConfigError
from matinee.evaluate.released_model import ReleasedModel
from matinee.flows.nightly import nightly
from matinee.monitor.progressive import PICTURE, ChampionScore, read_series, score_champion
from matinee.pipeline.tuning.tuned_settings import TunedSettings
from matinee.settings import Settings
from matinee.settings.ingest import IngestSettings
from matinee.store import Reference, Store
from matinee.store.documents import Point
from matinee.tasks.intake import take_in
from matinee.tasks.pages import progressive_report

pytestmark = pytest.mark.usefixtures("prefect_server")

EARLY = 30_000


@pytest.fixture
def nights(sample: Path, tmp_path: Path) -> Path:
    """The sample by date: early.csv, late.csv, and both as grown.csv."""
    rows = pl.read_csv(sample / "ratings.csv").sort("date", maintain_order=True)
    for name, part in (("early", rows[:EARLY]), ("late", rows[EARLY:]), ("grown", rows)):
        part.write_csv(tmp_path / f"{name}.csv")
    return tmp_path


def _words(folder: Path, sample: Path, *files: str) -> list[str]:
    call = ["retrain", "--ratings", *(str(folder / file) for file in files)]
    call += ["--titles", str(sample / "movie_titles.csv"), "--store", str(folder / "store")]
    return [*call, "--set", "train.epochs=6"]


def _ingest(store: Store, *paths: Path) -> Reference:
    return store.ensure(ingest.plan(store, ratings=paths, titles=None, settings=IngestSettings()))


def test_the_champion_is_scored_once_on_new_ratings(nights: Path, sample: Path, answer_of: Answer) -> None:
    assert answer_of(*_words(nights, sample, "early.csv"))["progressive"] is None
    store = Store(nights / "store")
    # A file that has grown is another partition, so every pair in it is looked up.
    grown = score_champion(store, _ingest(store, nights / "grown.csv")).point
    assert grown is not None
    # A repeated run, also after a stop, adds nothing.
    assert score_champion(store, _ingest(store, nights / "grown.csv")).point == grown
    by_hand = answer_of("evaluate", "--store", str(store.root), "--test", str(nights / "late.csv"))

    said = answer_of(*_words(nights, sample, "early.csv", "late.csv"))
    point = Point.model_validate(said["progressive"])
    assert said["seconds"]["progressive"] > 0
    assert (point.release, point.rows, grown.rows) == ("v0001", 10_000, 10_000)
    for figure in ("rmse", "mae", "global_mean_rmse", "rows_of_unknown_users"):
        assert getattr(point, figure) == pytest.approx(by_hand[figure], abs=1e-9)
        assert getattr(point, figure) == pytest.approx(getattr(grown, figure), abs=1e-9)
    assert point.rmse < point.bias_only_rmse < point.global_mean_rmse
    assert [each.dataset for each in read_series(store)] == [grown.dataset, point.dataset]

    page = progressive_report(store, ChampionScore(point=point, says="v0001"))
    assert "data:image/png;base64," in page
    assert f"{point.rmse:.4f}" in page
    assert (store.root / PICTURE).stat().st_size > 10_000
    assert main(["prune", "--store", str(store.root), "--keep", "1"]) == 0
    assert len(read_series(store)) == 2


def test_a_temporal_cut_moves_and_models_are_compared_on_unseen_rows(
    nights: Path, sample: Path, answer_of: Answer
) -> None:
    temporal = ("--set", "split.strategy=temporal")
    first = answer_of(*_words(nights, sample, "early.csv"), *temporal)
    second = answer_of(*_words(nights, sample, "grown.csv"), *temporal)
    store = Store(nights / "store")
    seen = _pairs(store, first, "train") | _pairs(store, first, "valid")
    tested = _pairs(store, second, "test")
    assert len(tested) == pytest.approx(4_000, rel=0.05)
    assert not tested & (seen | _pairs(store, second, "train") | _pairs(store, second, "valid"))
    decision = json.loads((store.root / second["folders"]["evaluate"] / "decision.json").read_text())
    assert decision["rows"] == {"test": len(tested), "compared": len(tested)}
    assert first["metrics"]["hindsight"]["anyone"] == second["metrics"]["hindsight"]["anyone"] == 0

    # For any rows, the release knows whether it was fitted on them.
    model = ReleasedModel(store, Path(first["location"]))
    rows = pl.read_csv(nights / "grown.csv")
    saw = model.was_trained_on(
        rows["userID"].to_numpy(), rows["movieID"].to_numpy(), np.ones(rows.height, np.float32)
    )
    assert set(rows.filter(pl.Series(saw)).select("userID", "movieID").iter_rows()) == seen


def _pairs(store: Store, said: dict[str, Any], part: str) -> set[tuple[int, int]]:
    folder = store.root / said["folders"]["split"]
    users, movies = (pl.read_parquet(folder / f"{side}.parquet") for side in ("users", "movies"))
    rows = pl.read_parquet(folder / f"{part}.parquet")
    ids = (
        users["user_id"].gather(rows["user_code"]),
        movies["movie_id"].gather(rows["movie_code"]),
    )
    return set(zip(*ids, strict=True))


@pytest.mark.parametrize(("new", "promoted", "told"), [(True, False, 1), (True, True, 0), (False, False, 1)])
def test_a_run_without_a_promotion_requests_missing_lists(
    new: bool, promoted: bool, told: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    intake = SimpleNamespace(
        new=new, says=lambda: "a file", no_titles=None, refused={}, ratings=["r.csv"], titles="t.csv"
    )
    steps: dict[str, Callable[..., Any]] = {
        "take_in": lambda **_: intake,
        "retrain": lambda **_: SimpleNamespace(promoted=promoted, reason=""),
        "remember": lambda *_: None,
        "prune": lambda **_: None,
        "announce_unlisted": asked.append,
    }
    for name, step in steps.items():
        monkeypatch.setattr(f"matinee.flows.nightly.{name}", step)
    (tmp_path / "drop").mkdir()
    nightly.fn(drop=str(tmp_path / "drop"), store=str(tmp_path / "store"))
    assert len(asked) == told


def test_an_event_for_each_refused_file_is_emitted_even_if_the_titles_then_stop_the_night(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "matinee.tasks.intake.emit", lambda event, *, report, **_: told.append((event, Path(report).name))
    )
    drop = tmp_path / "drop"
    drop.mkdir()
    shutil.copy(sample / "ratings.csv", drop)
    (drop / "pipe.csv").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"movie_titles\.csv"):
        take_in.fn(
            store=str(tmp_path / "store"),
            drop=str(drop),
            titles="movie_titles.csv",
            settings=Settings(),
            settle_seconds=0,
            rows=[],
        )
    assert told == [("matinee.file.refused", "pipe.csv.report.txt")]


def test_a_search_that_crashes_leaves_the_night_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = importlib.import_module("matinee.flows.nightly")

    def crash(**_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(module, "tune", crash)
    monkeypatch.setattr(module, "retrain", lambda **given: given["settings"])
    tuned = TunedSettings(Store.open(tmp_path), Settings())
    with caplog.at_level(logging.WARNING):
        assert module._retrain({}, tuned, trials=3) == Settings()
    assert "The search for settings failed: MemoryError" in caplog.text

    monkeypatch.setattr(module, "tune", lambda **_: (_ for _ in ()).throw(CancelledRun("stopped")))
    with pytest.raises(CancelledRun):
        module._retrain({}, tuned, trials=3)
