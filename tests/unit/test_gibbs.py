"""The conditionals of both samplers (compiled and torch), compared with slow float64 code of the formulas."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from matinee.train.blocks import KernelPool
from matinee.train.gibbs import device_axis
from matinee.train.gibbs.axis import Axis
from matinee.train.gibbs.device_axis import DeviceAxis
from matinee.train.gibbs.device_random import generator
from matinee.train.gibbs.random_streams import fill_normal, gamma, stream

MEAN, ALPHA, SEED, SWEEP = 0.9, 2.5, 3, 7
USERS, MOVIES, SIZE = 12, 300, 6
AnyAxis = Axis | DeviceAxis
AxisPair = tuple[AnyAxis, AnyAxis]
MAKE: dict[str, Callable[..., AnyAxis]] = {
    "compiled": partial(Axis.of, pool=KernelPool(1)),
    "cpu": partial(DeviceAxis.of, device="cpu"),
    "cuda": partial(DeviceAxis.of, device="cuda"),
}


@pytest.fixture(params=MAKE)
def place(request: pytest.FixtureRequest) -> str:
    """The compiled sampler, and the torch sampler on each available device."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return str(request.param)


@pytest.fixture
def axes(place: str, monkeypatch: pytest.MonkeyPatch) -> AxisPair:
    """The axes of one sampler. In torch, they have several chunks."""
    monkeypatch.setattr(device_axis, "_CHUNK_SEGMENTS", 12)
    return _axes(place)


def _axes(place: str) -> AxisPair:
    """Users and movies with a state far from where a chain begins; the last user has no rating."""
    draw = np.random.default_rng(0)
    users, movies = draw.integers(0, USERS - 1, 900, np.int32), draw.integers(0, MOVIES, 900, np.int32)
    ratings = draw.normal(1, 0.3, 900).astype(np.float32)
    both = []
    for name, keys, others, count, other_count in (
        ("user", users, movies, USERS, MOVIES),
        ("movie", movies, users, MOVIES, USERS),
    ):
        axis = MAKE[place](name, keys, others, ratings, count=count, other_count=other_count, size=SIZE)
        axis.begin(draw)
        known = np.flatnonzero(axis.known)
        vectors = np.zeros((count, SIZE))
        vectors[known] = draw.normal(0, 0.5, (len(known), SIZE))
        numbers = {"precision": draw.gamma(5, 1, SIZE), "pull_precision": draw.gamma(5, 2, SIZE)}
        _set(axis, X=vectors, omega=draw.gamma(5, 0.2, count), nu=np.array([6.0]), **numbers)
        pull = draw.normal(0, 0.1, (other_count, SIZE))
        pull[np.bincount(others, minlength=other_count) == 0] = 0
        _set(axis, mean=np.append(draw.normal(0, 0.2, SIZE - 1), 0), pull=pull)
        _set(axis, E=np.where(axis.known[:, None], vectors - _prior_mean(axis), 0))
        both.append(axis)
    user, movie = both
    user.weigh(movie)
    movie.weigh(user)
    return user, movie


def _set(axis: AnyAxis, **arrays: np.ndarray) -> None:
    """Replace arrays of an axis's state; compiled vectors have columns of padding."""
    state = {name: array.copy() for name, array in axis.state().items()}
    for name, array in arrays.items():
        state[name][..., : array.shape[-1]] = array
    axis.restore(state)


def _get(axis: AnyAxis, name: str) -> np.ndarray:
    """The current value of one array of an axis's state, in float64 and without padding."""
    array = axis.state()[name].astype(float)
    return array if name in ("omega", "nu") else array[..., :SIZE]


def _numpy(column: Any) -> np.ndarray:
    return column.cpu().numpy() if isinstance(column, torch.Tensor) else column


def _shares(axis: AnyAxis) -> np.ndarray:
    """S: the weight of the pull of each code of the other axis in the prior mean of each code of this axis."""
    counts = np.diff(axis.starts)
    shares = np.zeros((len(counts), len(_get(axis, "pull"))))
    np.add.at(shares, (np.repeat(np.arange(len(counts)), counts), _numpy(axis.codes)), 1.0)
    return shares / np.sqrt(np.maximum(counts, 1))[:, None]


def _prior_mean(axis: AnyAxis) -> np.ndarray:
    """mu + n^(-1/2) times the sum of the pulls of the rated codes, per row."""
    return _get(axis, "mean") + _shares(axis) @ _get(axis, "pull")


def _normal(*key: int, count: int) -> np.ndarray:
    values = np.zeros(count)
    fill_normal(stream(*key), values, count)
    return values


def _chance(axis: AnyAxis, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gamma and normal numbers that an axis draws its users with."""
    gammas, normals = np.zeros(len(shapes)), np.zeros((len(shapes), SIZE))
    if isinstance(axis, DeviceAxis):
        assert len(axis.bounds) == 4
        for chunk, (first, last) in enumerate(pairwise(axis.bounds)):
            draw = generator(axis.device, SEED, SWEEP, axis.purpose, chunk)
            some = torch.from_numpy(shapes[first:last, None]).to(axis.device)
            gammas[first:last] = _numpy(torch._standard_gamma(some, generator=draw))[:, 0]
            drawn = torch.randn((last - first, SIZE, 1), generator=draw, dtype=some.dtype, device=some.device)
            normals[first:last] = _numpy(drawn)[..., 0]
        return gammas, normals
    for row, shape in enumerate(shapes):
        state = stream(SEED, SWEEP, axis.purpose, row)
        gammas[row] = gamma(state, shape)
        fill_normal(state, normals[row], SIZE)
    return gammas, normals


def test_vectors_and_weights_follow_their_conditionals(axes: AxisPair) -> None:
    user, movie = axes
    before, prior, counts = _get(user, "X"), _prior_mean(user), np.diff(user.starts)
    gammas, normals = _chance(user, (6.0 + counts) / 2)
    draw_chunks = partial(user.draw_chunks, mean=MEAN, alpha=ALPHA, seed=SEED, sweep=SWEEP)
    found, squared = sum(draw_chunks(chunks, movie) for chunks in user.batches()), 0.0
    for row in range(11):
        rated = slice(user.starts[row], user.starts[row + 1])
        codes, column = _numpy(user.codes)[rated], _get(user, "precision")
        q, w = _get(movie, "X")[codes], _get(movie, "omega")[codes]
        design = np.hstack([q[:, :5], np.ones((len(q), 1))])
        target = _numpy(user.ratings)[rated] - MEAN - q[:, 5]
        error = target - design @ before[row]
        squared += error @ error
        omega = gammas[row] / ((6.0 + ALPHA * (w * error**2).sum()) / 2)
        precision = np.diag(column) + ALPHA * omega * (design.T * w) @ design
        pulled = column * prior[row] + ALPHA * omega * (design.T * w) @ target
        expected = np.linalg.solve(precision, pulled)
        expected += np.linalg.solve(np.linalg.cholesky(precision).T, normals[row])
        assert _get(user, "omega")[row] == pytest.approx(omega, rel=1e-4)
        np.testing.assert_allclose(_get(user, "X")[row], expected, atol=2e-4)
    np.testing.assert_allclose(_get(user, "E")[:11], (_get(user, "X") - prior)[:11], atol=1e-5)
    assert not _get(user, "X")[11].any()
    assert found == pytest.approx(squared, rel=1e-5)


def test_implicit_features_drawn_one_by_one_follow_their_conditionals() -> None:
    user, movie = _axes("compiled")
    residual, pull, shares = _get(user, "E"), _get(user, "pull"), _shares(user)
    precision, pull_precision = _get(user, "precision"), _get(user, "pull_precision")
    for code in np.flatnonzero(movie.known):  # the mean of one movie's pull given all others, then its draw
        weight = shares[:, code]  # a movie that was rated twice counts twice
        alone = residual + weight[:, None] * pull[code]
        spread = pull_precision + precision * (weight**2).sum()
        mean = precision * (weight @ alone) / spread
        drawn = mean + _normal(SEED, SWEEP, user.purpose + 2, code * 256, count=8)[:SIZE] / np.sqrt(spread)
        residual += weight[:, None] * (pull[code] - drawn)
        pull[code] = drawn
    user.draw_pulls(movie, seed=SEED, sweep=SWEEP)
    np.testing.assert_allclose(_get(user, "pull"), pull, atol=2e-5)
    np.testing.assert_allclose(_get(user, "E"), residual, atol=2e-5)


@pytest.mark.parametrize("place", ["cpu", "cuda"], indirect=True)
@pytest.mark.parametrize("turn", [1, -1])
def test_jointly_drawn_implicit_features_have_the_mean_of_their_conditional(
    axes: AxisPair, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    axis, other = axes[::turn]
    shares, residual, pull = _shares(axis), _get(axis, "E"), _get(axis, "pull")
    around = residual + shares @ pull
    expected = np.zeros_like(pull)
    for column in range(SIZE):
        precision, ridge = (_get(axis, name)[column] for name in ("precision", "pull_precision"))
        system = precision * shares.T @ shares + ridge * np.eye(len(pull))
        expected[:, column] = np.linalg.solve(system, precision * shares.T @ around[:, column])
    monkeypatch.setattr(DeviceAxis, "_normal", lambda axis, like, draw: torch.zeros_like(like))
    axis.draw_pulls(other, seed=SEED, sweep=SWEEP)
    np.testing.assert_allclose(_get(axis, "pull"), expected, atol=1e-5)
    np.testing.assert_allclose(_get(axis, "E"), around - shares @ expected, atol=1e-5)


@pytest.mark.parametrize("place", ["cpu", "cuda"], indirect=True)
def test_jointly_drawn_implicit_features_have_the_covariance_of_their_conditional(place: str) -> None:
    """Columns are independent, so many columns with one precision are many draws."""
    draw, many = np.random.default_rng(2), 40_000
    users, movies = draw.integers(0, 5, 14, np.int32), draw.integers(0, 3, 14, np.int32)
    ratings = np.ones(14, np.float32)
    user = MAKE[place]("user", users, movies, ratings, count=5, other_count=4, size=many)
    movie = MAKE[place]("movie", movies, users, ratings, count=4, other_count=5, size=many)
    user.begin(draw)
    user.weigh(movie)
    E = np.repeat(draw.normal(0, 1, (5, 1)), many, axis=1)
    _set(user, E=E, precision=np.full(many, 2.0), pull_precision=np.full(many, 1.5))
    user.draw_pulls(movie, seed=SEED, sweep=SWEEP)
    pulls, shares = user.state()["pull"].astype(float), _shares(user)[:, :3]
    covariance = np.linalg.inv(2.0 * shares.T @ shares + 1.5 * np.eye(3))
    assert not pulls[3].any(), "nobody rated the last movie"
    np.testing.assert_allclose(pulls[:3].mean(axis=1), covariance @ (2.0 * shares.T @ E[:, 0]), atol=0.02)
    np.testing.assert_allclose(np.cov(pulls[:3]), covariance, atol=0.02)


def test_no_batch_is_without_ratings() -> None:
    codes = np.repeat(
        np.arange(8, dtype=np.int32), 32_778
    )  # each crosses the end of a chunk, also the last one
    axis = Axis.of(
        "movie",
        codes,
        codes,
        np.ones(len(codes), np.float32),
        count=11,
        other_count=8,
        size=2,
        pool=KernelPool(1),
    )
    rows = [axis.rows_of(chunks) for chunks in axis.batches()]
    assert min(rows) > 0
    assert sum(rows) == len(codes)


def test_noise_is_drawn_from_the_weighted_residuals(axes: AxisPair) -> None:
    user, movie = axes
    rows, codes = np.repeat(np.arange(USERS), np.diff(user.starts)), _numpy(user.codes)
    x, q = _get(user, "X")[rows], _get(movie, "X")[codes]
    error = _numpy(user.ratings) - MEAN - x[:, 5] - q[:, 5] - np.einsum("nk,nk->n", x[:, :5], q[:, :5])
    w = _get(user, "omega")[rows] * _get(movie, "omega")[codes]
    sums = user.residual_sums(movie, mean=MEAN)
    np.testing.assert_allclose(sums, [w.sum(), w @ error, w @ error**2], rtol=1e-5)
    predicted = np.zeros(900)
    user.predict(movie, rows.astype(np.int32), codes, mean=MEAN, into=predicted)
    np.testing.assert_allclose(predicted, _numpy(user.ratings) - error, atol=1e-5)


def test_priors_follow_the_normal_gamma_conditional(axes: AxisPair) -> None:
    user, movie = axes
    vectors = (_get(movie, "X") - _prior_mean(movie) + _get(movie, "mean"))[movie.known]
    drawn = []
    for seed in range(3000):
        movie.draw_prior(np.random.default_rng(seed), user)
        drawn.append((movie.prior.mean[:SIZE].copy(), movie.prior.precision[:SIZE].copy()))
    n, average = len(vectors), vectors.mean(axis=0)
    rate = 0.5 + (np.square(vectors - average).sum(axis=0) + n / (n + 1) * average**2) / 2
    means, precisions = (np.array(values) for values in zip(*drawn, strict=True))
    np.testing.assert_allclose(means.mean(axis=0), n * average / (n + 1), atol=0.01)
    np.testing.assert_allclose(precisions.mean(axis=0), (0.5 + n / 2) / rate, rtol=0.01)
    np.testing.assert_allclose(precisions.var(axis=0), (0.5 + n / 2) / rate**2, rtol=0.15)
    user.draw_prior(np.random.default_rng(0), movie)
    assert _get(user, "mean").all(where=np.arange(SIZE) < SIZE - 1)
    assert not _get(user, "mean")[-1], "the overall mean is there for that"
    known = movie.known
    np.testing.assert_allclose(
        _get(movie, "E")[known], (_get(movie, "X") - _prior_mean(movie))[known], atol=1e-3
    )
    np.testing.assert_allclose(_get(movie, "X")[~known], np.tile(_get(movie, "mean"), ((~known).sum(), 1)))


def test_degrees_of_freedom_are_recovered(axes: AxisPair) -> None:
    draw = np.random.default_rng(1)
    axis = axes[1]
    _set(axis, omega=draw.gamma(4.0, 1 / 4.0, MOVIES))  # nu = 8
    found = []
    for _ in range(200):
        axis.draw_nu(draw)
        found.append(axis.prior.nu[0])
    assert 6 < np.mean(found) < 10
    assert np.std(found) > 0.3
