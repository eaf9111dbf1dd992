"""The sampler's conditionals against slow ones in float64, written from the model and not from the kernels."""

import numpy as np
import pytest

from matinee.train.blocks import Crew
from matinee.train.chance import fill_normal, gamma, stream
from matinee.train.fold import RunningProduct
from matinee.train.gibbs_kernels import residual_sums
from matinee.train.side import Side

MEAN, ALPHA, SEED, SWEEP = 0.9, 2.5, 3, 7


@pytest.fixture
def sides() -> tuple[Side, Side]:
    """Users and movies with a state far from where a chain begins; the last user has no rating."""
    draw = np.random.default_rng(0)
    users, movies = draw.integers(0, 11, 900, np.int32), draw.integers(0, 300, 900, np.int32)
    ratings = draw.normal(1, 0.3, 900).astype(np.float32)
    both = []
    for name, keys, others, count, other_count in (
        ("user", users, movies, 12, 300),
        ("movie", movies, users, 300, 12),
    ):
        side = Side.of(name, keys, others, ratings, count=count, other_count=other_count, size=6)
        side.begin(draw)
        side.X[side.known, :6] = draw.normal(0, 0.5, (int(side.known.sum()), 6))
        side.omega[:] = draw.gamma(5, 0.2, count)
        side.precision[:6] = draw.gamma(5, 1, 6)
        side.pull_precision[:6] = draw.gamma(5, 2, 6)
        side.mean[:5] = draw.normal(0, 0.2, 5)
        side.pull[:, :6] = draw.normal(0, 0.1, (other_count, 6))
        side.nu[:] = 6.0
        side.E[side.known] = (side.X - _prior_mean(side))[side.known]
        both.append(side)
    user, movie = both
    user.weigh(movie)
    movie.weigh(user)
    return user, movie


def _prior_mean(side: Side) -> np.ndarray:
    """mu + n^(-1/2) times the sum of the pulls of the codes that each row has rated."""
    pulls = [side.pull[codes].astype(float).sum(axis=0) for codes in np.split(side.codes, side.starts[1:-1])]
    return side.mean + side.share[:, None].astype(float) * np.array(pulls)


def _normal(*key: int, count: int) -> np.ndarray:
    values = np.zeros(count)
    fill_normal(stream(*key), values, count)
    return values


def test_vectors_and_weights_follow_their_conditionals(sides: tuple[Side, Side]) -> None:
    user, movie = sides
    before, prior = user.X.astype(float), _prior_mean(user)
    user.draw_part(user.parts(), movie, mean=MEAN, alpha=ALPHA, seed=SEED, sweep=SWEEP, crew=Crew(1))
    for row in range(11):
        rated = slice(user.starts[row], user.starts[row + 1])
        q = movie.X[user.codes[rated], :6].astype(float)
        design, w = np.hstack([q[:, :5], np.ones((len(q), 1))]), movie.omega[user.codes[rated]].astype(float)
        target = user.ratings[rated] - MEAN - q[:, 5]
        error = target - design @ before[row, :6]
        state = stream(SEED, SWEEP, user.purpose, row)
        omega = gamma(state, (6.0 + len(q)) / 2) / ((6.0 + ALPHA * (w * error**2).sum()) / 2)
        normal = np.zeros(6)
        fill_normal(state, normal, 6)
        precision = np.diag(user.precision[:6]) + ALPHA * omega * (design.T * w) @ design
        pulled = user.precision[:6] * prior[row, :6] + ALPHA * omega * (design.T * w) @ target
        expected = np.linalg.solve(precision, pulled) + np.linalg.solve(
            np.linalg.cholesky(precision).T, normal
        )
        assert user.omega[row] == pytest.approx(omega, rel=1e-4)
        np.testing.assert_allclose(user.X[row, :6], expected, atol=2e-4)
    np.testing.assert_allclose(user.E[:11], (user.X - prior)[:11], atol=1e-5)
    assert not user.X[11].any()


def test_pulls_follow_their_conditionals(sides: tuple[Side, Side]) -> None:
    user, movie = sides
    residual, pull = user.X[:, :6] - _prior_mean(user)[:, :6], user.pull.astype(float)
    share = user.share.astype(float)
    for code in range(300):  # the mean of one movie's pull, given all others; then its draw
        raters = movie.codes[movie.starts[code] : movie.starts[code + 1]]
        if not len(raters):
            continue
        weight = np.bincount(raters, minlength=12) * share  # who rated twice is pulled twice
        alone = residual + weight[:, None] * pull[code, :6]
        spread = user.pull_precision[:6] + user.precision[:6] * (weight**2).sum()
        mean = user.precision[:6] * (weight @ alone) / spread
        drawn = mean + _normal(SEED, SWEEP, user.purpose + 2, code * 256, count=8)[:6] / np.sqrt(spread)
        residual += weight[:, None] * (pull[code, :6] - drawn)
        pull[code, :6] = drawn
    user.draw_pulls(movie, seed=SEED, sweep=SWEEP, crew=Crew(1))
    np.testing.assert_allclose(user.pull[:, :6], pull[:, :6], atol=2e-5)
    np.testing.assert_allclose(user.E[:, :6], np.where(user.known[:, None], residual, 0), atol=2e-5)


def test_noise_is_drawn_from_the_weighted_residuals(sides: tuple[Side, Side]) -> None:
    user, movie = sides
    sums = np.zeros((len(user.bounds) - 1, 3))
    residual_sums(
        user.parts(), user.bounds, user.starts, user.codes, user.ratings, user.X, user.omega,
        movie.X, movie.omega, 6, np.float32(MEAN), sums,
    )  # fmt: skip
    rows = np.repeat(np.arange(12), np.diff(user.starts))
    x, q = user.X[rows].astype(float), movie.X[user.codes].astype(float)
    error = user.ratings - MEAN - x[:, 5] - q[:, 5] - np.einsum("nk,nk->n", x[:, :5], q[:, :5])
    w = user.omega[rows].astype(float) * movie.omega[user.codes]
    np.testing.assert_allclose(sums.sum(axis=0), [w.sum(), w @ error, w @ error**2], rtol=1e-5)


def test_priors_follow_the_normal_gamma_conditional(sides: tuple[Side, Side]) -> None:
    _, movie = sides
    vectors = (movie.X - _prior_mean(movie) + movie.mean)[movie.known, :6]
    drawn = []
    for seed in range(3000):
        movie.draw_prior(np.random.default_rng(seed), sides[0])
        drawn.append((movie.mean[:6].copy(), movie.precision[:6].copy()))
    n, average = len(vectors), vectors.mean(axis=0)
    rate = 0.5 + (np.square(vectors - average).sum(axis=0) + n / (n + 1) * average**2) / 2
    means, precisions = (np.array(part) for part in zip(*drawn, strict=True))
    np.testing.assert_allclose(means.mean(axis=0), n * average / (n + 1), atol=0.01)
    np.testing.assert_allclose(precisions.mean(axis=0), (0.5 + n / 2) / rate, rtol=0.01)
    np.testing.assert_allclose(precisions.var(axis=0), (0.5 + n / 2) / rate**2, rtol=0.15)
    np.testing.assert_allclose(movie.E[movie.known], (movie.X - _prior_mean(movie))[movie.known], atol=1e-3)


def test_degrees_of_freedom_are_found_again(sides: tuple[Side, Side]) -> None:
    draw = np.random.default_rng(1)
    side = sides[1]
    side.omega[:] = draw.gamma(4.0, 1 / 4.0, len(side.omega))  # nu = 8
    found = []
    for _ in range(200):
        side.draw_nu(draw)
        found.append(side.nu[0])
    assert 6 < np.mean(found) < 10
    assert np.std(found) > 0.3


@pytest.mark.parametrize("shape", [0.7, 3.0, 5000.0])
def test_streams_have_the_moments_that_they_should(shape: float) -> None:
    gammas = np.array([gamma(stream(1, 2, 3, row), shape) for row in range(20_000)])
    assert gammas.mean() == pytest.approx(shape, rel=0.03)
    assert gammas.var() == pytest.approx(shape, rel=0.06)
    normals = np.array([_normal(1, 2, 4, row, count=3) for row in range(10_000)])
    np.testing.assert_allclose(normals.mean(axis=0), 0, atol=0.04)
    np.testing.assert_allclose(np.cov(normals.T), np.eye(3), atol=0.05)


def test_running_product_keeps_the_best_columns() -> None:
    draw = np.random.default_rng(0)
    pairs = [
        (draw.normal(size=(70, 5)), draw.normal(size=(40, 5))) for _ in range(60)
    ]  # 300 columns: two cuts
    product = RunningProduct(users=70, movies=40, rank=5, columns=40, crew=Crew(2))
    for left, right in pairs:
        product.add(left.astype(np.float32), right.astype(np.float32))
    product.cut()
    left, right = product.tables
    assert left.shape == (70, 40)
    np.testing.assert_allclose(left @ right.T, sum(a @ b.T for a, b in pairs), atol=2e-3)
    narrow = RunningProduct(users=70, movies=40, rank=5, columns=8, crew=Crew(1))
    narrow.add(*(np.ascontiguousarray(table) for table in (left, right)))
    narrow.cut()
    u, strength, v = np.linalg.svd(left @ right.T)
    best = (u[:, :8] * strength[:8]) @ v[:8]
    np.testing.assert_allclose(narrow.tables[0] @ narrow.tables[1].T, best, atol=2e-3)
