"""How the equations of a ranking model are solved: by sizes, memory and device."""

import numpy as np
import pytest
import torch
from planted_tastes import fit_planted, planted_tastes

from matinee.errors import ConfigError
from matinee.release.ranking_model import GRADE_STEP, RankingModel, grade_codes
from matinee.release.rating_levels import to_levels
from matinee.train.blocks import KernelPool
from matinee.train.ranking.method import DeviceMemoryError, choose_method
from matinee.train.ranking.normal import ConjugateGradients, MovieSide, UserSide, make_normal, method_for
from matinee.train.ranking.rows import group_rows, select_rows
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


@pytest.mark.parametrize(
    ("grades", "movies", "repeats"),
    [
        (range(1), 12, 1),
        (range(0, 151, 30), 300, 1),  # two blocks
        (range(151), 12, 2),
        (range(151), 300, 1),
        (range(255, 256), 12, 1),
    ],
)
def test_the_sums_of_all_pairs_of_movies_are_right_for_any_grades(
    grades: range, movies: int, repeats: int
) -> None:
    """Some pairs have as many common users as a word counts for eight bits of grades, 255, and some have more."""
    users, draw = 256, np.random.default_rng(0)
    chosen = draw.random((users, movies)) < 0.1
    chosen[:, :6] = True
    chosen[0, 3:6] = False
    rated = [np.repeat(column, repeats) for column in np.nonzero(chosen)]
    codes = draw.choice(np.array(grades, np.uint8), len(rated[0]))
    columns = (column.astype(np.int32) for column in rated)
    rows = group_rows(*columns, codes, users=users, movies=movies, pool=KernelPool(2))
    features = np.zeros((users, 2, movies))
    np.add.at(features[:, 0], tuple(rated), 1)
    np.add.at(features[:, 1], tuple(rated), codes * GRADE_STEP)
    X, values = features.reshape(users, -1), draw.standard_normal((2, movies, 3), np.float32)
    found = MovieSide(rows, np.ones((2, movies), np.float32), rows.by_user.packed(), lambda *_: None).gram(
        values
    )
    expected = (X.T @ (X @ values.reshape(-1, 3))).reshape(found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("cells", "repeats"), [(1 << 25, 1), (1 << 25, 2), (5 * 2 * 600, 1), (0, 1)])
def test_popular_movies_are_multiplied_as_columns_and_the_others_by_their_ratings(
    cells: int, repeats: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two blocks of users; a third of the movies are popular. `cells` leave room for all of them, five or none."""
    monkeypatch.setattr("matinee.train.ranking.normal._DENSE_CELLS", cells)
    users, movies, draw = 600, 30, np.random.default_rng(0)
    chosen = draw.random((users, movies)) < np.where(np.arange(movies) % 3, 0.04, 0.5)
    rated = [np.repeat(column, repeats) for column in np.nonzero(chosen)]
    codes = draw.integers(0, 151, len(rated[0])).astype(np.uint8)
    columns = (column.astype(np.int32) for column in rated)
    rows = group_rows(*columns, codes, users=users, movies=movies, pool=KernelPool(2))
    features = np.zeros((users, 2, movies))
    np.add.at(features[:, 0], tuple(rated), 1)
    np.add.at(features[:, 1], tuple(rated), codes * GRADE_STEP)
    X = features.reshape(users, -1)
    ridge, right = draw.uniform(5, 50, (2, movies)), draw.standard_normal((2, movies, 3))
    found = UserSide(rows, ridge.astype(np.float32), lambda *_: None).solve(right.astype(np.float32))
    exact = np.linalg.solve(X.T @ X + np.diag(ridge.ravel()), right.reshape(-1, 3))
    np.testing.assert_allclose(found.reshape(-1, 3), exact, atol=2e-5)


def test_more_ratings_of_one_movie_by_one_user_than_a_word_counts_are_fitted_without_words() -> None:
    codes, ratings = np.zeros(300, np.int32), np.arange(300, dtype=np.float32) % 101
    for grades, packs in (
        (np.full(300, 30, np.uint8), True),
        (grade_codes(to_levels(ratings, (0, 100))), False),
    ):
        rows = group_rows(codes, codes, grades, users=1, movies=1, pool=KernelPool(1))
        normal = make_normal(
            rows, np.ones((2, 1), np.float32), memory=1 << 30, device=None, report=lambda *_: None
        )
        assert isinstance(normal, MovieSide if packs else ConjugateGradients)


@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_selected_alike_in_any_number_of_parts(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, codes = np.random.default_rng(0), np.array([9, 3, 40])
    rows = [draw.integers(0, 50, 1000).astype(kind) for kind in (np.int32, np.int32, np.uint8)]
    kept = np.isin(rows[1], codes)
    place = {9: 0, 3: 1, 40: 2}
    expected = [rows[0][kept], np.array([place[movie] for movie in rows[1][kept]]), rows[2][kept]]
    for size in (64, 1 << 22):
        monkeypatch.setattr("matinee.train.ranking.rows._PART_ROWS", size)
        found = select_rows(*rows, codes=codes, movies=50, pool=KernelPool(threads))
        for column, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(column, right)


@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_grouped_alike_in_any_number_of_parts(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.train.ranking.rows._PART_ROWS", 64)
    draw = np.random.default_rng(0)
    users = np.concatenate([draw.integers(0, 90, 1000), np.full(1000, 7)]).astype(np.int32)
    movies, grades = draw.integers(0, 50, 2000).astype(np.int32), draw.integers(0, 151, 2000).astype(np.uint8)
    pool = KernelPool(threads)
    rows = group_rows(users, movies, grades, users=100, movies=60, pool=pool)
    for group, keys, others in ((rows.by_user, users, movies), (rows.by_movie, movies, users)):
        order = np.lexsort((others, keys))
        np.testing.assert_array_equal(
            np.diff(group.starts), np.bincount(keys, minlength=len(group.starts) - 1)
        )
        np.testing.assert_array_equal(group.others, others[order])
    once = group_rows(users, movies, grades, users=100, movies=60, pool=KernelPool(1))
    np.testing.assert_array_equal(rows.by_user.codes, once.by_user.codes)
