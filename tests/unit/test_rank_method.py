"""How the equations of a ranking model are solved: by sizes, memory and device."""

import numpy as np
import pytest
import torch
from planted_tastes import fit_planted, planted_tastes

from matinee.errors import ConfigError
from matinee.release.ranking_model import GRADE_STEP, RankingModel
from matinee.train.blocks import KernelPool
from matinee.train.ranking.method import DeviceMemoryError, choose_method
from matinee.train.ranking.normal import MovieSide, method_for
from matinee.train.ranking.rows import group_rows
from matinee.train.ranking.step import _fit_where_it_fits


def _fail(*_: object) -> None:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB. GPU 0 has 8 GiB")


def test_too_little_memory_of_a_gpu_is_an_error_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, _ = planted_tastes(30, 20)
    monkeypatch.setattr("matinee.train.ranking.on_device.OnDevice._gram", _fail)
    with pytest.raises(ConfigError, match=r"Tried to allocate 9 GiB\. Free some, or set train\.device=cpu"):
        fit_planted(rows, 30, 20, rank=4, dense_mb=0, device="cpu")


def test_the_cpu_fits_what_a_gpu_has_no_memory_for_only_if_the_device_is_not_set() -> None:
    asked: list[str] = []
    rows, _ = planted_tastes(30, 20)
    model = fit_planted(rows, 30, 20, rank=4)

    def fit(device: str) -> RankingModel:
        asked.append(device)
        if device == "cuda":
            raise DeviceMemoryError("The GPU has too little free memory.")
        return model

    assert _fit_where_it_fits(fit, "cuda", may_fall_back=True) == (model, "cpu")
    assert asked == ["cuda", "cpu"]
    with pytest.raises(ConfigError, match="too little"):
        _fit_where_it_fits(fit, "cuda", may_fall_back=False)
    assert _fit_where_it_fits(fit, "cpu", may_fall_back=True) == (model, "cpu")


GB = 1 << 30


@pytest.mark.parametrize(
    ("users", "movies", "ratings", "gpu", "method"),
    [
        (900, 310, 20_000, None, "movies"),
        (120, 310, 20_000, None, "users"),
        (10**6, 10**6, 5 * 10**7, None, "gradients"),
        (900, 310, 20_000, 80 * GB, "movies"),
        (480_189, 17_770, 10**8, 80 * GB, "movies"),  # Netflix
        (480_189, 17_770, 10**8, 8 * GB, "gradients"),  # does not fit
        (10**6, 20_000, 5 * 10**6, 80 * GB, "gradients"),  # sparse: dense products would be in vain
    ],
)
def test_sizes_alone_decide_how_equations_are_solved(
    users: int, movies: int, ratings: int, gpu: int | None, method: str
) -> None:
    sizes = {"users": users, "movies": movies, "ratings": ratings}
    assert choose_method(**sizes, memory=4 * GB, gpu=gpu) == method
    assert choose_method(**sizes, memory=0, gpu=gpu) == "gradients"


@pytest.mark.parametrize("memory", [4096, 0])
def test_a_device_solves_by_the_method_of_the_manifest(memory: int) -> None:
    rows, _ = planted_tastes(120, 60)
    stages: set[str] = set()
    fit_planted(
        rows, 120, 60, rank=4, dense_mb=memory, device="cpu", listener=lambda point: stages.add(point.stage)
    )
    sizes = {"users": 120, "movies": 60, "ratings": len(rows[0])}
    method = method_for(**sizes, memory=memory << 20, device="cpu")
    assert ("factor" in stages, "gradients" in stages) == (method == "movies", method == "gradients")


@pytest.mark.parametrize("grades", [range(1), range(0, 151, 30), range(151)])
def test_the_sums_of_all_pairs_of_movies_are_right_for_any_grades(grades: range) -> None:
    """Most pairs have more common users than a word counts for eight bits of grades: 255."""
    users, movies, draw = 900, 12, np.random.default_rng(0)
    rated = np.nonzero(draw.random((users, movies)) < 0.7)
    codes = draw.choice(np.array(grades, np.uint8), len(rated[0]))
    columns = (column.astype(np.int32) for column in rated)
    rows = group_rows(*columns, codes, users=users, movies=movies, pool=KernelPool(2))
    features = np.zeros((users, 2, movies))
    features[rated[0], 0, rated[1]], features[rated[0], 1, rated[1]] = 1, codes * GRADE_STEP
    X, values = features.reshape(users, -1), draw.standard_normal((2, movies, 3), np.float32)
    found = MovieSide(rows, np.ones((2, movies), np.float32), lambda *_: None).gram(values)
    expected = (X.T @ (X @ values.reshape(-1, 3))).reshape(found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
