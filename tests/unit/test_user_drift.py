"""The drift of users: found where it is planted, and nowhere else; it changes no bit where it is not applied."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from matinee import train
from matinee.errors import ConfigError
from matinee.formats.manifests import CandidateManifest, SplitManifest
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store
from matinee.store.files import write_json
from matinee.train.user_drift import HALF_LIFE_DAYS, SHRINK, Predictor, fit_drift

USERS, MOVIES, ROWS = 40, 30, 6000
Split = tuple[Store, Reference]
MakeSplit = Callable[..., Split]


@pytest.fixture
def dated_split(tmp_path: Path, split_manifest: Callable[..., SplitManifest]) -> MakeSplit:
    """Creates a split by time. From day 600 of 1,000, each user rates `drift` above or below what they did before."""

    def make(*, drift: float, dated: bool = True, strategy: str = "temporal") -> Split:
        draw = np.random.default_rng(3)
        user, movie = draw.integers(0, USERS, ROWS), draw.integers(0, MOVIES, ROWS)
        day = np.sort(draw.integers(0, 1000, ROWS))
        moved = drift * np.where(draw.random(USERS) < 0.5, -1, 1)[user] * (day >= 600)
        rating = np.clip(3 + draw.normal(0, 0.4, MOVIES)[movie] + moved + draw.normal(0, 0.4, ROWS), 1, 5)
        store = Store.open(tmp_path / f"store-{drift}-{dated}-{strategy}")
        folder = store.folder("splits", "dated")
        folder.mkdir(parents=True)
        ends = {"train": (0, 4800), "valid": (4800, 5400), "test": (5400, ROWS)}
        for name, (start, stop) in ends.items():
            dates = pa.array(day[start:stop].astype(np.int32)).cast(pa.date32())
            columns = {
                "user_code": user[start:stop].astype(np.int32),
                "movie_code": movie[start:stop].astype(np.int32),
                "rating": rating[start:stop].astype(np.float32),
                "date": dates if dated else pa.nulls(stop - start, pa.date32()),
            }
            pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        for name, codes, size in (("user", user, USERS), ("movie", movie, MOVIES)):
            rows = np.bincount(codes[:4800], minlength=size)
            table = {f"{name}_id": np.arange(size), "train_rows": rows, "liked_rows": rows // 2}
            pq.write_table(pa.table(table), folder / f"{name}s.parquet")
        counts = {name: stop - start for name, (start, stop) in ends.items()}
        made = split_manifest(
            kind="splits", digest="dated", rows=ROWS, scale=[1.0, 5.0], counts=counts, strategy=strategy
        )
        write_json(folder / "manifest.json", made)
        return store, store.reference("splits", "dated")

    return make


def _fit(split: Split, *assignments: str) -> tuple[CandidateManifest, dict[str, np.ndarray], float]:
    """The candidate, its weights, and its RMSE on the test rows."""
    store, reference = split
    settings = read_settings(assignments=assignments)
    made = store.ensure(train.plan(store, reference, settings=settings))
    weights = load_file(store.path(made) / "weights.safetensors")
    return store.read(CandidateManifest, made.digest), weights, _test_rmse(split, weights)


def _test_rmse(split: Split, weights: dict[str, np.ndarray]) -> float:
    test = pq.read_table(split[0].path(split[1]) / "test.parquet")
    user, movie, rating = (test[name].to_numpy() for name in ("user_code", "movie_code", "rating"))
    guess = weights["mean"] + weights["user_bias"][user] + weights["movie_bias"][movie]
    guess = guess + np.einsum("nk,nk->n", weights["user_factors"][user], weights["movie_factors"][movie])
    return float(np.sqrt(np.mean((np.clip(guess, 1, 5) - rating) ** 2)))


GIBBS = ("train.method=gibbs", "train.sampler_rank=3", "train.sweeps=12", "train.burn_in=6")


@pytest.mark.parametrize("method", [(), GIBBS], ids=["fast", "accurate"])
def test_a_planted_drift_is_found_and_lowers_the_error_of_later_rows(
    dated_split: MakeSplit, method: tuple[str, ...]
) -> None:
    split = dated_split(drift=0.7)
    found, _, rmse = _fit(split, *method)
    _, _, without = _fit(split, *method, "train.time=off")
    assert found.user_drift is not None
    assert found.user_drift.applied
    assert found.user_drift.rmse is not None
    assert found.user_drift.rmse_without is not None
    assert found.user_drift.rmse < found.user_drift.rmse_without
    assert rmse < without - 0.02


def test_without_drift_the_weights_have_the_bits_of_a_fit_without_time(dated_split: MakeSplit) -> None:
    split = dated_split(drift=0.0)
    looked, weights, _ = _fit(split)
    off, plain, _ = _fit(split, "train.time=off")
    assert looked.user_drift is not None
    assert not looked.user_drift.applied
    assert off.user_drift is None
    assert all(np.array_equal(weights[name], plain[name]) for name in plain)


@pytest.mark.parametrize("strategy", ["stratified", "shuffle", "given"])
def test_rows_drawn_at_random_are_not_asked(dated_split: MakeSplit, strategy: str) -> None:
    """The candidate is the same folder as with `train.time=off`."""
    split = dated_split(drift=0.7, strategy=strategy)
    store, reference = split
    plans = [
        train.plan(store, reference, settings=read_settings(assignments=[f"train.time={time}"]))
        for time in ("auto", "off", "on")
    ]
    assert plans[0].digest == plans[1].digest != plans[2].digest
    assert _fit(split)[0].user_drift is None


def test_without_dates_nothing_changes(dated_split: MakeSplit) -> None:
    split = dated_split(drift=0.7, dated=False)
    _, plain, _ = _fit(split, "train.time=off")
    for time in ("auto", "on"):
        _, weights, _ = _fit(split, f"train.time={time}")
        assert all(np.array_equal(weights[name], plain[name]) for name in plain)


def test_the_refit_on_all_rows_does_what_the_valid_rows_decided(dated_split: MakeSplit) -> None:
    split = store, _ = dated_split(drift=0.7)
    weights = []
    for time in ("auto", "off"):
        tested, _, _ = _fit(split, f"train.time={time}")
        made = store.ensure(train.plan_refit_all(store, store.reference("candidates", tested.digest)))
        weights.append(load_file(store.path(made) / "weights.safetensors"))
    assert np.abs(weights[0]["user_bias"] - weights[1]["user_bias"]).mean() > 0.05
    assert np.array_equal(weights[0]["user_factors"], weights[1]["user_factors"])


def test_the_bits_do_not_depend_on_threads(dated_split: MakeSplit) -> None:
    store, reference = dated_split(drift=0.7)
    _, weights, _ = _fit((store, reference))
    models = [Predictor(weights, threads=threads) for threads in (1, 3)]
    drifts = [fit_drift(store.path(reference), ("train", "valid"), model) for model in models]
    assert np.array_equal(*drifts)


def test_the_drift_is_the_shrunk_mean_of_late_residuals(tmp_path: Path) -> None:
    dates = pa.array([0, int(HALF_LIFE_DAYS), 7, None], pa.int32()).cast(pa.date32())
    codes = {"user_code": np.array([0, 0, 1, 2], np.int32), "movie_code": np.zeros(4, np.int32)}
    pq.write_table(
        pa.table({**codes, "rating": np.array([2, 5, 4, 1], np.float32), "date": dates}),
        tmp_path / "train.parquet",
    )
    weights = {"mean": np.array([3], np.float32)}
    weights |= {f"{side}_bias": np.zeros(size, np.float32) for side, size in (("user", 4), ("movie", 1))}
    weights |= {
        f"{side}_factors": np.zeros((size, 16), np.float32) for side, size in (("user", 4), ("movie", 1))
    }
    drift = fit_drift(tmp_path, ("train",), Predictor(weights, threads=1))
    assert drift.tolist() == pytest.approx([(2 - 0.5) / (1.5 + SHRINK), 1 / (1 + SHRINK), 0, 0])


@pytest.mark.parametrize(
    "model", [["model.name=linear"], ["model.biases=false"]], ids=["linear", "no biases"]
)
def test_a_model_without_biases_refuses_it(model: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"train\.time=on"):
        read_settings(assignments=[*model, "train.time=on"]).resolved()
    read_settings(assignments=model).resolved()
