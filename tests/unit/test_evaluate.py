"""The evaluation of a tiny split with known results, from its input folders to its output folder."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from matinee import evaluate
from matinee.evaluate import Models, plots
from matinee.evaluate.compared_model import ComparedModel
from matinee.evaluate.tables import learning_says, training_table, unknown_says
from matinee.formats.base import Manifest
from matinee.formats.history import FitPoint, History
from matinee.formats.manifests import CandidateManifest, SplitManifest
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Plan, Reference, Store
from matinee.store.metrics_file import read_metrics
from matinee.train import ranking

USERS, MOVIES = 40, 30
LOW, HIGH = 1.0, 5.0


def _part(draw: np.random.Generator, truth: np.ndarray, rows: int) -> pl.DataFrame:
    users, movies = draw.integers(0, USERS - 1, rows), draw.integers(0, MOVIES - 1, rows)
    return pl.DataFrame(
        {
            "user_code": users.astype(np.int32),
            "movie_code": movies.astype(np.int32),
            "rating": np.clip(np.rint(truth[users, movies]), LOW, HIGH).astype(np.float32),
            "date": [date(2005, 1, 1 + row % 28) if row % 3 else None for row in range(rows)],
        },
        schema_overrides={"date": pl.Date},
    )


@pytest.fixture
def store(tmp_path: Path, split_manifest: Callable[..., SplitManifest]) -> Store:
    """A store with one split and one candidate: a dot model with the true ratings before rounding."""
    store = Store.open(tmp_path / "store")
    draw = np.random.default_rng(5)
    user_factors = draw.normal(size=(USERS, 4)).astype(np.float32)
    movie_factors = draw.normal(size=(MOVIES, 4)).astype(np.float32)
    truth = 3 + 0.5 * user_factors @ movie_factors.T

    def make_split(folder: Path) -> Manifest:
        for part, rows in (("train", 600), ("valid", 60), ("test", 200)):
            _part(draw, truth, rows).write_parquet(folder / f"{part}.parquet")
        train = pl.read_parquet(folder / "train.parquet")
        for name, codes in (("user", USERS), ("movie", MOVIES)):
            counts = np.bincount(train[f"{name}_code"].to_numpy(), minlength=codes)
            table = pl.DataFrame({f"{name}_id": np.arange(codes) * 10, "train_rows": counts})
            if name == "movie":
                years = pl.Series("year", [None, *range(1940, 1939 + MOVIES)], pl.Int16)
                liked = pl.Series("liked_rows", counts // 2)
                table = table.with_columns(years, pl.lit("A film").alias("title"), liked)
            table.write_parquet(folder / f"{name}s.parquet")
        return split_manifest(rows=860, scale=[LOW, HIGH])

    def make_candidate(folder: Path) -> Manifest:
        weights = {
            "mean": np.array(3.0, np.float32),
            "user_bias": np.zeros(USERS, np.float32),
            "movie_bias": np.zeros(MOVIES, np.float32),
            "user_factors": 0.5 * user_factors,
            "movie_factors": movie_factors,
        }
        save_file(weights, folder / "weights.safetensors")
        points = [
            {
                "stage": "fit",
                "epoch": epoch,
                "rows_done": 600,
                "train_rmse": 0.9,
                "valid_rmse": 1 / epoch,
            }
            for epoch in (1, 2, 3)
        ]
        (folder / "history.json").write_text(json.dumps({"points": points}))
        return CandidateManifest(
            rows=660,
            model="dot",
            split="s",
            scale=[LOW, HIGH],
            settings=Settings().spelled_out().model_dump(include={"model", "train"}),
            device="cpu",
            threads=1,
            seconds_train=1.0,
            seconds_compile=0.0,
            rows_per_second=660,
            versions={},
            epochs_run=3,
            best_epoch=3,
            valid_rmse=1 / 3,
        )

    store.ensure(Plan("splits", "s", make_split))
    store.ensure(Plan("candidates", "c", make_candidate))
    return store


def _evaluate(store: Store, champion: ComparedModel | None = None) -> Reference:
    split, settings = store.reference("splits", "s"), Settings().resolved()
    plan = evaluate.plan(
        store,
        Models(
            candidate=store.reference("candidates", "c"),
            ranking=store.ensure(ranking.plan(store, split, settings=settings)),
        ),
        split=split,
        champion=champion,
        settings=Settings(),
    )
    return store.ensure(plan)


def _read(store: Store, reference: Reference, name: str) -> dict[str, object]:
    return dict(json.loads((store.path(reference) / name).read_text()))


def _champion(rating: float, *, saw: bool = False) -> ComparedModel:
    return ComparedModel(
        version="v0001",
        digest=f"always {rating} {saw}",
        predict=lambda users, _: np.full(len(users), rating, np.float32),
        was_trained_on=lambda users, *_: np.full(len(users), saw),
    )


def test_figures_are_computed_on_test_rows_within_the_scale(store: Store) -> None:
    found = _read(store, _evaluate(store), "metrics.json")
    test = pl.read_parquet(store.folder("splits", "s") / "test.parquet")
    fitted = pl.read_parquet([store.folder("splits", "s") / f"{part}.parquet" for part in ("train", "valid")])
    errors = fitted["rating"].mean() - test["rating"].to_numpy().astype(float)
    assert found["rows"] == 200
    assert found["global_mean_rmse"] == pytest.approx(np.sqrt((errors**2).mean()), abs=1e-6)
    assert found["global_mean_mae"] == pytest.approx(np.abs(errors).mean(), abs=1e-6)
    # Rounding to whole ratings causes a uniform error of at most half a point.
    assert found["rmse"] < 0.35 < found["bias_only_rmse"]
    assert found["mae"] < 0.3 < found["bias_only_mae"]


def test_the_manifest_has_the_decision(store: Store) -> None:
    reference = _evaluate(store)
    manifest = store.manifest(reference.kind, reference.digest)
    decision = _read(store, reference, "decision.json")
    assert reference.rows == 200
    assert manifest["promoted"] is decision["promoted"] is True
    assert manifest["reason"] == decision["reason"]
    assert (manifest["candidate"], manifest["split"], manifest["champion"]) == ("c", "s", None)


def test_a_worse_candidate_does_not_replace_the_champion(store: Store) -> None:
    weak = _read(store, _evaluate(store, _champion(3.0)), "decision.json")
    assert weak["promoted"] is True
    assert weak["rows"] == {"test": 200, "compared": 200}
    test = pl.read_parquet(store.folder("splits", "s") / "test.parquet")
    truth = ComparedModel("v0002", "truth", lambda *_: test["rating"].to_numpy(), lambda users, *_: users < 0)
    assert _read(store, _evaluate(store, truth), "decision.json")["promoted"] is False


def test_a_champion_that_saw_every_row_is_not_compared(store: Store) -> None:
    decision = _read(store, _evaluate(store, _champion(3.0, saw=True)), "decision.json")
    assert decision["promoted"] is False
    assert decision["rows"] == {"test": 200, "compared": 0}


@pytest.mark.usefixtures("pictures")
def test_the_same_evaluation_gives_the_same_bytes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.path(_evaluate(store))
    kept = first.rename(tmp_path / "kept")
    shutil.rmtree(store.root / "outlooks")
    monkeypatch.setattr(evaluate, "_MOST_AT_ONCE", 0)  # one after the other, as with many rows
    second = store.path(_evaluate(store))
    names = sorted(path.relative_to(kept) for path in kept.rglob("*") if path.is_file())
    assert Path("plots/learning_curve.png") in names
    for name in names:
        if name != Path("manifest.json"):  # it has the seconds of the run
            assert (kept / name).read_bytes() == (second / name).read_bytes(), name


def test_the_sampler_keeps_no_epoch(store: Store) -> None:
    fit = store.read(CandidateManifest, "c")
    assert ("best epoch", 3) in training_table(fit).rows
    assert "epoch with the lowest valid RMSE is kept" in learning_says(fit)
    sampled = read_settings(preset="accurate").spelled_out().model_dump(include={"model", "train"})
    drawn = fit.model_copy(update={"settings": sampled})
    assert "mean of the draws" in learning_says(drawn) and "kept" not in learning_says(drawn)
    rows = training_table(drawn).rows
    assert ("sweeps of all chains", 3) in rows and ("best epoch", 3) not in rows
    points = [
        FitPoint(stage="fit", epoch=epoch, rows_done=9, train_rmse=1.0, valid_rmse=rmse)
        for epoch, rmse in ((1, 0.9), (2, 0.95))
    ]
    (axes,) = plots.learning_curve(History(points=points)).axes
    assert axes.get_title(loc="left") == "Valid RMSE is 0.9500 after all 2 sweeps"
    assert not [line for line in axes.lines if "kept" in str(line.get_label())]
    stepped = [point.model_copy(update={"learning_rate": 0.1}) for point in points]
    (axes,) = plots.learning_curve(History(points=stepped)).axes
    assert "after epoch 1 of 2" in axes.get_title(loc="left")


@pytest.mark.parametrize(
    ("users", "movies", "says"),
    [
        (0, 0, "All users and movies of the test rows have training rows."),
        (0, 1, "All users of the test rows have training rows; 1 test row is of a movie that has none."),
        (
            2,
            0,
            "All movies of the test rows have training rows; 2 test rows are of users that have none.",
        ),
        (
            1,
            1_000,
            "1 test row is of a user without a training row, and 1,000 test rows are of movies without one.",
        ),
    ],
)
def test_unknown_users_and_movies_are_told_apart(store: Store, users: int, movies: int, says: str) -> None:
    found = read_metrics(store.path(_evaluate(store)))
    unknown = {"rows_of_unknown_users": users, "rows_of_unknown_movies": movies}
    assert unknown_says(found.model_copy(update=unknown)) == says


def test_the_champion_and_the_gate_are_part_of_the_digest(store: Store) -> None:
    digests = {
        _evaluate(store).digest,
        _evaluate(store, _champion(3.0)).digest,
        _evaluate(store, _champion(2.0)).digest,
    }
    assert len(digests) == 3
