"""Parts of the samplers: random numbers, sums over segments, a solver, and the running product."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import embedding_bag

from matinee.train.blocks import KernelPool
from matinee.train.gibbs.conjugate import solve_columns
from matinee.train.gibbs.device_table import DeviceTable
from matinee.train.gibbs.random_streams import fill_normal, gamma, stream
from matinee.train.gibbs.segments import Segments
from matinee.train.running_product import HostTable, RunningProduct

TABLES: dict[str, Callable[..., Any]] = {
    "compiled": partial(HostTable, pool=KernelPool(2)),
    "cpu": partial(DeviceTable, device="cpu"),
    "cuda": partial(DeviceTable, device="cuda"),
}


@pytest.mark.parametrize("shape", [0.7, 3.0, 5000.0])
def test_random_streams_have_the_right_moments(shape: float) -> None:
    gammas = np.array([gamma(stream(1, 2, 3, row), shape) for row in range(20_000)])
    assert gammas.mean() == pytest.approx(shape, rel=0.03)
    assert gammas.var() == pytest.approx(shape, rel=0.06)
    normals = np.zeros((10_000, 3))
    for row, values in enumerate(normals):
        fill_normal(stream(1, 2, 4, row), values, 3)
    np.testing.assert_allclose(normals.mean(axis=0), 0, atol=0.04)
    np.testing.assert_allclose(np.cov(normals.T), np.eye(3), atol=0.05)


def test_segments_add_up_for_any_row_length() -> None:
    counts = np.array([0, 1, 40, 3000, 0, 33, 64, 2, 0])  # segments, groups of segments, groups of groups
    starts = np.concatenate([[0], np.cumsum(counts)])
    draw = np.random.default_rng(0)
    codes, table = draw.integers(0, 50, starts[-1], np.int32), draw.normal(size=(50, 4)).astype(np.float32)
    expected = np.array([table[chunk].sum(axis=0, dtype=float) for chunk in np.split(codes, starts[1:-1])])
    segments = Segments(starts, "cpu")
    found = segments.sums(torch.from_numpy(table), torch.from_numpy(codes))
    np.testing.assert_allclose(found, expected, atol=1e-3)
    starts_of_segments = segments.levels[0].starts[:-1]
    values = embedding_bag(torch.from_numpy(codes), torch.from_numpy(table), starts_of_segments, mode="sum")
    some = segments.fold(values[segments.bounds[2] : segments.bounds[8]], rows=slice(2, 8))
    np.testing.assert_allclose(some, expected[2:8], atol=1e-3)


def test_columns_are_solved_together_with_separate_matrices() -> None:
    draw = np.random.default_rng(4)
    shared = draw.normal(size=(300, 120)) * np.geomspace(0.1, 10, 120)
    gram, ridge, right = shared.T @ shared, np.array([3.0, 1e3, 1e6, 1.0]), draw.normal(size=(120, 4))
    right[:, 3] = 0
    expected = np.stack(
        [np.linalg.solve(gram + r * np.eye(120), b) for r, b in zip(ridge, right.T, strict=True)], axis=1
    )
    narrow, low = torch.from_numpy(gram.astype(np.float32)), torch.from_numpy(ridge.astype(np.float32))
    found = solve_columns(
        lambda x: narrow @ x + low * x,
        torch.from_numpy(right.astype(np.float32)),
        diagonal=narrow.diag()[:, None] + low,
    )
    sizes = np.maximum(np.abs(expected).max(axis=0), 1e-9)
    np.testing.assert_allclose(found.numpy() / sizes, expected / sizes, atol=2e-4)


@pytest.mark.parametrize("place", TABLES)
def test_running_product_keeps_the_best_columns(place: str) -> None:
    if place == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    draw, make = np.random.default_rng(0), TABLES[place]
    as_there = torch.from_numpy if place != "compiled" else np.asarray
    pairs = [
        [draw.normal(size=(rows, 5)).astype(np.float32) for rows in (70, 40)] for _ in range(60)
    ]  # 300 columns: two cuts
    product = RunningProduct(partial(make, 70), partial(make, 40), rank=5, columns=40)
    for pair in pairs:
        product.add(*map(as_there, pair))
    product.cut()
    left, right = (table.copy() for table in product.tables)
    assert left.shape == (70, 40)
    np.testing.assert_allclose(left @ right.T, sum(a @ b.T for a, b in pairs), atol=2e-3)
    narrow = RunningProduct(partial(make, 70), partial(make, 40), rank=40, columns=8)
    narrow.restore(left, right)
    narrow.cut()
    u, strength, v = np.linalg.svd(left @ right.T)
    best = (u[:, :8] * strength[:8]) @ v[:8]
    np.testing.assert_allclose(narrow.tables[0] @ narrow.tables[1].T, best, atol=2e-3)
