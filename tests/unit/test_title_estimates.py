"""Estimates from titles: right where levels follow from titles and years, and absent where they do not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file
from scipy import sparse

from matinee import train
from matinee.formats.manifests import CandidateManifest
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store
from matinee.train import title_estimates
from matinee.train.engine import Arrays
from matinee.train.title_estimates import PENALTY, estimate_unrated, solve_ridge

MOVIES, UNRATED = 400, 100
MakeSplit = Callable[..., tuple[Store, Reference]]


@pytest.fixture
def described(tmp_path: Path) -> tuple[Path, Arrays, np.ndarray]:
    """Movies of 20 franchises and 9 decades: their titles, their levels and vectors, and their rows.

    Levels and vectors are sums over franchise and decade, and noise. The last movie has neither title nor year, and the
    one before it only a year.
    """
    draw = np.random.default_rng(2)
    franchise, decade = draw.integers(0, 20, MOVIES), draw.integers(0, 9, MOVIES)
    titles = [f"Saga {name}: Part {place}" for place, name in enumerate(franchise)]
    years = 1930 + 10 * decade + draw.integers(0, 10, MOVIES)
    table = {"title": [*titles[:-2], None, None], "year": pa.array([*years[:-1].tolist(), None], pa.int16())}
    pq.write_table(pa.table(table), tmp_path / "movies.parquet")
    planted = draw.normal(0, 0.5, (20, 4))[franchise] + draw.normal(0, 0.5, (9, 4))[decade]
    planted = (planted + draw.normal(0, 0.1, planted.shape)).astype(np.float32)
    rows = np.where(np.arange(MOVIES) < MOVIES - UNRATED, draw.integers(5, 500, MOVIES), 0)
    weights = {"movie_bias": planted[:, 0], "movie_factors": planted[:, 1:], "mean": np.ones(1, np.float32)}
    return tmp_path, weights, rows


def _without(weights: Arrays, unrated: np.ndarray) -> Arrays:
    """The weights as a fit leaves them: zeros for movies without rows."""
    left = {name: table.copy() for name, table in weights.items()}
    left["movie_bias"][unrated] = 0
    left["movie_factors"][unrated] = 0
    return left


def test_unrated_movies_get_the_level_and_the_vector_of_their_kind(
    described: tuple[Path, Arrays, np.ndarray],
) -> None:
    split, planted, rows = described
    found, figures = estimate_unrated(_without(planted, rows == 0), split, rows)
    assert figures is not None
    assert figures.applied
    assert figures.movies == UNRATED - 1
    assert figures.explained is not None
    assert 0.8 < figures.explained < 1
    for name in ("movie_bias", "movie_factors"):
        truth, guess = planted[name][rows == 0][:-1], found[name][rows == 0][:-1]
        assert guess[-1].any()  # by its year
        assert np.square(guess - truth).mean() < 0.2 * np.square(truth - truth.mean(axis=0)).mean()
        assert np.array_equal(found[name][rows > 0], planted[name][rows > 0])
        assert not found[name][-1].any()  # nothing is known of it


def test_the_regression_equals_a_dense_solver() -> None:
    draw = np.random.default_rng(6)
    features = sparse.random(300, 80, density=0.05, random_state=7, format="csr")
    features.data[:] = draw.integers(1, 4, features.nnz)
    weights, tables = draw.random((300, 1)), draw.normal(size=(300, 3)) * [1, 100, 0]
    dense = features.toarray()
    right = dense.T @ (weights * tables)
    expected = np.linalg.solve(dense.T @ (weights * dense) + PENALTY * np.eye(80), right)
    np.testing.assert_allclose(solve_ridge(features, weights, tables), expected, rtol=1e-4, atol=1e-6)


def test_a_regression_that_takes_too_many_steps_says_how_exact_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    features = sparse.random(300, 80, density=0.05, random_state=7, format="csr")
    weights, tables = np.ones((300, 1)), np.random.default_rng(6).normal(size=(300, 1))
    for steps, said in ((200, ""), (2, "after 2 steps, a residual is 0.")):
        caplog.clear()
        monkeypatch.setattr(title_estimates, "_MOST_STEPS", steps)
        solve_ridge(features, weights, tables)
        assert said in caplog.text
        assert bool(said) == bool(caplog.text)


def test_titles_that_say_nothing_change_no_bit(described: tuple[Path, Arrays, np.ndarray]) -> None:
    split, planted, rows = described
    draw = np.random.default_rng(4)
    unrelated = {name: draw.permutation(table).astype(np.float32) for name, table in planted.items()}
    fitted = _without(unrelated, rows == 0)
    found, figures = estimate_unrated(fitted, split, rows)
    assert figures is not None
    assert not figures.applied
    assert all(np.array_equal(found[name], fitted[name]) for name in fitted)
    forced, figures = estimate_unrated(fitted, split, rows, always=True)
    assert figures is not None
    assert figures.applied
    assert forced["movie_bias"][rows == 0][:-1].all()


@pytest.mark.parametrize("model", ["dot", "mlp"])
def test_a_candidate_has_estimates_of_its_unrated_movies(planted_split: MakeSplit, model: str) -> None:
    """Movie 39 has no train rows; the fit finds the same weights for the others."""
    store, reference = split = planted_split()
    file = store.path(reference) / "movies.parquet"
    movies = pq.read_table(file)
    titles = pa.array([f"Saga {place % 2}: Part {place}" for place in range(40)])
    pq.write_table(movies.set_column(movies.column_names.index("title"), "title", titles), file)
    made, on = _fit(split, f"model.name={model}", "train.titles=on", "train.epochs=2", "train.refit=none")
    plain, off = _fit(split, f"model.name={model}", "train.titles=off", "train.epochs=2", "train.refit=none")
    level = "movie_bias" if model == "dot" else "baseline.movie_bias"
    assert off[level][39] == 0 != on[level][39]
    filled = {level, "movie_factors"} & on.keys()
    assert all(np.array_equal(on[name], off[name]) for name in on.keys() - filled)
    assert all(np.array_equal(np.delete(on[name], 39, 0), np.delete(off[name], 39, 0)) for name in filled)
    assert made.title_estimates is not None
    assert (made.title_estimates.movies, plain.title_estimates) == (1, None)
    auto, unasked = _fit(split, f"model.name={model}", "train.epochs=2", "train.refit=none")
    assert auto.title_estimates is not None
    assert not auto.title_estimates.applied  # 39 movies are too few to tell
    assert np.array_equal(unasked[level], off[level])


def _fit(split: tuple[Store, Reference], *assignments: str) -> tuple[CandidateManifest, Arrays]:
    store, reference = split
    made = store.ensure(train.plan(store, reference, settings=read_settings(assignments=assignments)))
    weights = load_file(store.path(made) / "weights.safetensors")
    return store.read(CandidateManifest, made.digest), weights


def test_the_refit_on_all_rows_does_what_was_decided(planted_split: MakeSplit) -> None:
    """A movie without any row stays so in the refit; the last one of the fixture has test rows."""
    store, reference = split = planted_split(movies=42)
    file = store.path(reference) / "movies.parquet"
    rows = pq.read_table(file)
    titles = pa.array([f"Saga {place % 2}: Part {place}" for place in range(42)] + ["Saga 1: The End"])
    more = (
        rows.slice(0, 1).set_column(1, "train_rows", pa.array([0])).set_column(0, "movie_id", pa.array([99]))
    )
    table = pa.concat_tables([rows, more])
    pq.write_table(table.set_column(table.column_names.index("title"), "title", titles), file)
    levels = []
    for asked in ("on", "off", "auto"):
        tested, _ = _fit(split, f"train.titles={asked}", "train.epochs=2")
        refit = train.plan_refit_all(store, store.reference("candidates", tested.digest))
        levels.append(load_file(store.path(store.ensure(refit)) / "weights.safetensors")["movie_bias"][42])
    assert levels[0] != 0
    assert levels[1:] == [0, 0]
