"""The contract of every model: shapes, unknown ids, equal predictions in torch and numpy, 100 rows overfitted."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file, save_file

from matinee import train
from matinee.release import scoring as forward
from matinee.settings import Resolved, Settings
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store
from matinee.store.ratings import read_ratings
from matinee.train.blocks import KernelPool
from matinee.train.device_sgd import DeviceSgd
from matinee.train.gibbs import device_axis
from matinee.train.gibbs.axis import Axis
from matinee.train.gibbs.device_axis import DeviceAxis
from matinee.train.gibbs.sampler import GibbsEngine
from matinee.train.models import build
from matinee.train.problem import Problem
from matinee.train.sgd import SgdEngine

Split = tuple[Store, Reference]
MODELS = ["dot", "linear", "mlp", "neumf"]
# Each model, and dot by the sampler with few sweeps, because these data are small.
SAMPLED = ("model.name=dot", "train.method=gibbs", "train.sweeps=20", "train.burn_in=8")
KINDS = {**{model: (f"model.name={model}",) for model in MODELS}, "accurate": SAMPLED}


def _fit(split: Split, *assignments: str) -> tuple[dict[str, np.ndarray], Path]:
    store, reference = split
    settings = read_settings(assignments=assignments)
    folder = store.path(store.ensure(train.plan(store, reference, settings=settings)))
    return load_file(folder / "weights.safetensors"), folder


def _codes(*codes: int) -> np.ndarray:
    return np.array(codes, np.int32)


@pytest.mark.parametrize("model", MODELS)
def test_numpy_predicts_as_torch_does(model: str) -> None:
    settings = Settings.model_validate({"model": {"name": model, "embedding_size": 5}}).resolved().model
    built = build(settings, users=7, movies=9, mean=3.5, generator=torch.Generator().manual_seed(1))
    built.eval()
    draw = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.from_numpy(draw.normal(size=parameter.shape).astype(np.float32)))
        users, movies = (draw.integers(0, n, 100, np.int32) for n in (7, 9))
        expected = built(torch.from_numpy(users), torch.from_numpy(movies)).numpy()
    weights = {name: parameter.detach().numpy() for name, parameter in built.named_parameters()}
    weights |= {name: weights[name][:, 0] for name in weights if name.endswith("_bias")}
    weights |= {"user_rows": np.ones(7), "movie_rows": np.ones(9), "baseline.mean": np.zeros(1)}
    weights |= {"baseline.user_bias": np.zeros(7), "baseline.movie_bias": np.zeros(9)}
    np.testing.assert_allclose(forward.predict(weights, users, movies, model=model), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_ids_get_the_mean_and_the_known_bias(planted_split: Callable[..., Split], kind: str) -> None:
    weights, _ = _fit(planted_split(), *KINDS[kind], "train.refit=none")
    model = "dot" if kind == "accurate" else kind
    prefix = "" if model == "dot" else "baseline."
    mean, user_bias, movie_bias = (weights[prefix + name] for name in ("mean", "user_bias", "movie_bias"))
    last_user, last_movie = len(user_bias) - 1, len(movie_bias) - 1  # these ids have no train row
    users, movies = _codes(-1, 3, -1, last_user, 3), _codes(-1, -1, 4, 4, last_movie)
    expected = mean + np.array([0, user_bias[3], movie_bias[4], movie_bias[4], user_bias[3]])
    np.testing.assert_allclose(forward.predict(weights, users, movies, model=model), expected, rtol=1e-6)
    assert user_bias[last_user] == movie_bias[last_movie] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_do_not_depend_on_shapes_and_chunks(
    planted_split: Callable[..., Split], kind: str
) -> None:
    short = "train.chains=1" if kind == "accurate" else "train.epochs=1"
    weights, folder = _fit(planted_split(), *KINDS[kind], short)
    model = "dot" if kind == "accurate" else kind
    users, movies = np.arange(70_000, dtype=np.int32) % 61 - 1, np.arange(70_000, dtype=np.int32) % 41 - 1
    predicted = forward.predict(weights, users, movies, model=model)
    assert predicted.shape == (70_000,)
    assert predicted.dtype == np.float32
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(
        predicted[-5:], forward.predict(weights, users[-5:], movies[-5:], model=model), rtol=1e-6
    )
    assert forward.predict(weights, _codes(), _codes(), model=model).shape == (0,)
    save_file(weights, folder.parent / "again.safetensors")
    again = load_file(folder.parent / "again.safetensors")
    np.testing.assert_array_equal(forward.predict(again, users, movies, model=model), predicted)


@pytest.mark.parametrize("model", MODELS)
def test_a_grid_is_all_pairs(planted_split: Callable[..., Split], model: str) -> None:
    weights, _ = _fit(planted_split(), f"model.name={model}", "train.epochs=2")
    users, movies = _codes(-1, 3, 0, 59, 3), _codes(7, -1, 39, 0)  # the last ids have no train row
    expected = forward.predict(weights, np.repeat(users, 4), np.tile(movies, 5), model=model)
    found = forward.grid(weights, users, movies, model=model)
    np.testing.assert_allclose(found, expected.reshape(5, 4), atol=1e-5)
    assert forward.grid(weights, _codes(), movies, model=model).shape == (0, 4)


@pytest.mark.parametrize("model", ["dot", "mlp", "neumf"])  # linear is bias-only and cannot
def test_a_hundred_rows_are_overfitted(planted_split: Callable[..., Split], model: str) -> None:
    split = planted_split(rows=125, users=20, movies=20, noise=0)
    method = [
        "train.lr_gamma=1",
        *([] if model == "dot" else ["train.method=adam", "train.learning_rate=0.02", "model.dropout=0"]),
    ]
    _, folder = _fit(
        split,
        f"model.name={model}",
        "train.weight_decay=0",
        "train.epochs=150",
        "train.patience=0",
        "train.batch_size=16",
        "train.refit=none",
        *method,
    )
    points = json.loads((folder / "history.json").read_text())["points"]
    assert points[-1]["train_rmse"] < 0.2


@pytest.mark.parametrize("kind", ["dot", pytest.param("accurate", marks=pytest.mark.slow)])
def test_presets_recover_planted_factors(planted_split: Callable[..., Split], kind: str) -> None:
    """Compared with the RMSE of the planted means on the same rows; 800 ratings per parameter cost about .001."""
    store, split = planted_split(rows=600_000, users=300, movies=200, noise=0.9)
    weights, _ = _fit((store, split), *KINDS[kind])
    rows = pq.read_table(store.path(split) / "test.parquet")
    users, movies, ratings, planted = (
        rows[name].to_numpy() for name in ("user_code", "movie_code", "rating", "planted")
    )
    known = (users < 299) & (movies < 199)
    predicted = forward.predict(weights, users[known], movies[known], model="dot")
    rmse, best = (
        np.sqrt(np.mean((np.clip(answer, 1, 5) - ratings[known]) ** 2))
        for answer in (predicted, planted[known])
    )
    assert rmse < best + 0.003


def test_dot_without_biases_keeps_only_the_mean(planted_split: Callable[..., Split]) -> None:
    weights, _ = _fit(planted_split(), "model.biases=false")
    assert not weights["user_bias"].any()
    assert not weights["movie_bias"].any()
    assert 2 < weights["mean"][0] < 4


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Each device of torch; the formulas for a GPU also hold on the CPU."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return str(request.param)


def _problem(split: Split, *assignments: str, device: str) -> tuple[Problem, Resolved]:
    store, reference = split
    settings = read_settings(assignments=assignments).resolved()
    rows, valid = (read_ratings(store.path(reference), (subset,)) for subset in ("train", "valid"))
    problem = Problem(
        rows=rows,
        valid=valid,
        users=300,
        movies=200,
        scale=(1.0, 5.0),
        device=device,
        threads=1,
    )
    return problem, settings


def test_batched_sgd_ends_like_compiled_sgd(planted_split: Callable[..., Split], device: str) -> None:
    split = planted_split(rows=60_000, users=300, movies=200, noise=0.3)
    problem, settings = _problem(split, "train.batch_size=4096", device=device)
    found = []
    for engine in (
        SgdEngine(replace(problem, device="cpu"), settings.model, training=settings.train),
        DeviceSgd(problem, settings.model, training=settings.train),
    ):
        for epoch in range(1, 21):
            assert sum(piece.rows for piece in engine.run_epoch(epoch)) == len(problem.rows)
        found.append(engine.valid_rmse())
    assert found[1] == pytest.approx(found[0], abs=0.01)
    again = DeviceSgd(problem, settings.model, training=settings.train)
    again.restore(engine.state())
    for repeated in (engine, again):
        list(repeated.run_epoch(21))
    for name, array in engine.weights().items():
        np.testing.assert_array_equal(array, again.weights()[name], err_msg=name)


def _sampled(
    fit: tuple[Problem, Resolved], axis: Callable[..., Axis | DeviceAxis], *, killed_at: int | None = None
) -> GibbsEngine:
    """The sampler after all sweeps; it can be restored before one of them, as in another process."""
    problem, settings = fit
    begin = partial(GibbsEngine, problem, settings.model, training=settings.train, axis=axis)
    engine = begin()
    for epoch in range(1, 41):
        if epoch == killed_at:
            state = {name: array.copy() for name, array in engine.state().items()}
            engine = begin()
            engine.restore(state)
        assert sum(piece.rows for piece in engine.run_epoch(epoch)) == len(problem.rows)
    return engine


def test_the_torch_sampler_ends_like_the_compiled_sampler(
    planted_split: Callable[..., Split], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_axis, "_CHUNK_SEGMENTS", 700)  # for several chunks
    split = planted_split(rows=60_000, users=300, movies=200, noise=0.3)
    problem = _problem(split, *SAMPLED, "train.sampler_rank=7", device=device)
    in_torch = partial(DeviceAxis.of, device=device)
    compiled, engine = _sampled(problem, partial(Axis.of, pool=KernelPool(1))), _sampled(problem, in_torch)
    assert engine.valid_rmse() == pytest.approx(compiled.valid_rmse(), abs=0.001)
    again = _sampled(problem, in_torch, killed_at=31).weights()
    for name, array in engine.weights().items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
