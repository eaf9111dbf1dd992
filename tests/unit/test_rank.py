"""The ranking model: equal to closed forms, reproducible to the bit, and better than popularity."""

from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from planted_tastes import SCALE, RatingColumns, fit_planted, planted_tastes

from matinee.release.ranking_model import GRADE_STEP, RankingModel, grade_codes, load_model, save_model
from matinee.release.rating_levels import to_levels
from matinee.release.weights import halve_weights
from matinee.settings.ranking import RankSettings
from matinee.store import ratings
from matinee.store.progress import silent
from matinee.store.ratings import EncodedRatings
from matinee.train.ranking import rare_movies
from matinee.train.ranking.fit import RankProgress, fit_ranking
from matinee.train.ranking.penalty import with_penalty
from matinee.train.ranking.step import FitShare, write_ranking

TABLES = ("encode_rated", "encode_liked", "decode", "popularity")
# users, movies, memory: they select one of three ways to solve the equations, and torch one of two
WAYS = {"movies": (900, 310, 4096), "users": (120, 310, 4096), "gradients": (900, 310, 0)}
DEVICES = [
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
    "cpu",
    None,
]
TORCH_DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _vectors(model: RankingModel, rows: RatingColumns, users: int) -> npt.NDArray[np.float32]:
    order = np.lexsort((rows[1], rows[0]))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows[0], minlength=users))])
    return model.user_vectors(starts, rows[1][order], grade_codes(to_levels(rows[2][order], SCALE)))


def _same(left: RankingModel, right: RankingModel) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in TABLES)


@pytest.mark.parametrize("device", DEVICES)
def test_a_full_rank_fit_equals_the_closed_form(device: str | None) -> None:
    users, movies = 200, 40
    rows, _ = planted_tastes(users, movies)
    grades = grade_codes(to_levels(rows[2], SCALE)) * GRADE_STEP
    X = np.zeros((users, 2 * movies))
    X[rows[0], rows[1]], X[rows[0], movies + rows[1]] = 1, grades
    Y = 0.6 * X[:, :movies] + X[:, movies:]
    gram = X.T @ X
    B = np.linalg.solve(gram + np.diag(30 + np.diag(gram)), X.T @ Y)
    every = np.arange(movies)
    B[every, every] = B[movies + every, every] = 0  # a movie says nothing about itself
    for memory in (0, 4096):
        model = fit_planted(
            rows, users, movies, rank=movies, penalty=30, dropout=0.5, dense_mb=memory, device=device
        )
        active = X.any(axis=1)
        assert model.score(_vectors(model, rows, users)[active]) == pytest.approx((X @ B)[active], abs=2e-3)


def test_a_cut_keeps_the_best_columns() -> None:
    users, movies, rank = 200, 40, 5
    rows, _ = planted_tastes(users, movies)
    full = fit_planted(rows, users, movies, rank=movies, penalty=30)
    best = (_vectors(full, rows, users) @ full.decode.T).astype(np.float64)
    _, _, vectors = np.linalg.svd(best)
    expected = best @ vectors[:rank].T @ vectors[:rank]
    cut = fit_planted(rows, users, movies, rank=rank, penalty=30, iterations=30)
    assert cut.decode.shape == (movies, rank)
    assert _vectors(cut, rows, users) @ cut.decode.T == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("sizes", [*WAYS.values(), (700, 400, 4096)])  # the last has two blocks of users
def test_threads_and_the_order_of_rows_change_no_bit(sizes: tuple[int, int, int]) -> None:
    users, movies, memory = sizes
    rows, _ = planted_tastes(users, movies)
    shuffled = np.random.default_rng(1).permutation(len(rows[0]))
    one = fit_planted(rows, users, movies, dense_mb=memory, rank=70, iterations=2)
    two = fit_planted(
        tuple(column[shuffled] for column in rows),  # type: ignore[arg-type]
        users,
        movies,
        dense_mb=memory,
        rank=70,
        iterations=2,
        threads=2,
    )
    assert _same(one, two)
    assert not _same(one, fit_planted(rows, users, movies, dense_mb=memory, rank=70, iterations=2, seed=1))


def test_all_ways_to_solve_agree() -> None:
    users, movies, _ = WAYS["users"]
    rows, _ = planted_tastes(users, movies)
    found = []
    solve = {"rank": 8, "iterations": 20, "penalty": 50}
    for more in (0, 900):  # users without ratings change only the way to solve the equations
        for memory in (4096, 0):
            model = fit_planted(rows, users + more, movies, dense_mb=memory, **solve)
            found.append(model.score(_vectors(model, rows, users)))
    for memory, device in product((4096, 0), TORCH_DEVICES):
        model = fit_planted(rows, users, movies, dense_mb=memory, device=device, **solve)
        found.append(model.score(_vectors(model, rows, users)))
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=5e-3 * float(np.abs(found[0]).max()))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("way", WAYS)
def test_planted_tastes_are_recovered(way: str, device: str | None) -> None:
    users, movies, memory = WAYS[way]
    rows, chance = planted_tastes(users, movies)
    model = fit_planted(rows, users, movies, dense_mb=memory, rank=16, penalty=50, device=device)
    scores = model.score(_vectors(model, rows, users))
    popular = np.tile(model.popularity, (users, 1))
    chance[rows[0], rows[1]] = scores[rows[0], rows[1]] = popular[rows[0], rows[1]] = -1
    mine, best, usual = (
        np.take_along_axis(chance, np.argsort(-table, axis=1)[:, :10], axis=1).mean()
        for table in (scores, chance, popular)
    )
    assert mine > usual + 0.6 * (best - usual)


def test_weak_tastes_give_better_lists_than_popularity() -> None:
    # What popular movies say about themselves is by far the largest weight here; a cut must not keep that instead.
    users, movies, draw = 8000, 100, np.random.default_rng(0)
    match = draw.integers(4, size=users)[:, None] == draw.integers(4, size=movies)
    chance = np.minimum(np.exp(draw.normal(-2.5, 1.2, movies)), 0.5) * np.where(match, 1.6, 0.8)
    seen = draw.random(chance.shape) < chance
    user, movie = (codes.astype(np.int32) for codes in np.nonzero(seen))
    rows = (user, movie, np.full(len(user), 4, np.float32))
    model = fit_planted(rows, users, movies, rank=8, penalty=50)
    mine, usual = (
        np.take_along_axis(chance, np.argsort(-np.where(seen, -np.inf, scores))[:, :5], axis=1).mean()
        for scores in (model.score(_vectors(model, rows, users)), model.popularity)
    )
    assert mine > usual


def test_a_killed_fit_continues_with_the_same_bits(tmp_path: Path) -> None:
    rows, _ = planted_tastes(300, 100)

    def kill(point: RankProgress) -> None:
        if point.stage == "iterations" and point.done == 3:
            raise KeyboardInterrupt

    whole = fit_planted(rows, 300, 100, rank=10)
    with pytest.raises(KeyboardInterrupt):
        fit_planted(rows, 300, 100, rank=10, checkpoint=tmp_path / "rank.safetensors", listener=kill)
    seen: list[RankProgress] = []
    again = fit_planted(
        rows, 300, 100, rank=10, checkpoint=tmp_path / "rank.safetensors", listener=seen.append
    )
    assert _same(whole, again)
    assert [point.done for point in seen if point.stage == "iterations"] == [4, 5, 6]


@pytest.mark.parametrize("half", [False, True])
def test_a_saved_model_gives_the_same_scores(half: bool, tmp_path: Path) -> None:
    rows, _ = planted_tastes(300, 100)
    model = fit_planted(rows, 300, 100, rank=10)
    save_model(tmp_path / "whole.safetensors", model)
    stored = tmp_path / ("half.safetensors" if half else "whole.safetensors")
    if half:
        halve_weights(tmp_path / "whole.safetensors", stored)
    again = load_model(stored)
    assert _same(model, again) is not half
    before, after = (each.score(_vectors(each, rows, 300)) for each in (model, again))
    assert after == pytest.approx(before, abs=5e-3 * float(np.abs(before).max()) if half else 0)


def test_shares_add_up_and_unknown_movies_are_ignored() -> None:
    rows, _ = planted_tastes(300, 100)
    model = fit_planted(rows, 300, 100, rank=10)
    movies, codes = np.array([3, 7, 50]), grade_codes(to_levels([5.0, 1.0, 4.0], SCALE))
    vector = model.user_vector(movies, codes)
    shares = model.shares(movies, codes, movie=20)
    assert shares.sum() == pytest.approx(model.score(vector[None])[0, 20], abs=1e-5)
    with_unknown = model.user_vector(np.array([-1, 3, 7, 50, 100]), np.insert(codes, [0, 3], 255))
    assert np.array_equal(vector, with_unknown)
    nobody = model.user_vectors(np.array([0, 0]), movies[:0], codes[:0])
    assert np.array_equal(model.score(nobody)[0], model.popularity)


def test_grades_follow_the_scale() -> None:
    grades = grade_codes(to_levels(np.arange(1, 6), SCALE)) * GRADE_STEP
    assert grades == pytest.approx([0, 0, 1 / 3, 1, 5 / 3], abs=4e-3)
    assert np.array_equal(
        grade_codes(to_levels(np.arange(1, 6), SCALE)),
        grade_codes(to_levels(np.arange(25, 126, 25), (25, 125))),
    )
    assert not grade_codes(to_levels(np.ones(3), (1, 1))).any()


def test_unusual_sizes_can_be_fitted() -> None:
    one = (np.zeros(1, np.int32), np.zeros(1, np.int32), np.full(1, 5, np.float32))
    for memory in (0, 4096):
        model = fit_planted(one, 1, 3, dense_mb=memory)
        assert model.decode.shape == (3, 1)
        assert np.isfinite(model.score(_vectors(model, one, 1))).all()
    with pytest.raises(ValueError, match="movie codes go from 0 to 0; expected 0 to -1"):
        fit_planted(one, 1, 0)


def test_the_penalty_is_chosen_by_held_out_lists_unless_it_is_set() -> None:
    users, movies = 1500, 60
    columns, _ = planted_tastes(users, movies)  # with so clear tastes and so few movies, less is better
    rows = EncodedRatings(*columns)

    def choose(rows: EncodedRatings, *, penalty: float | None = None, threads: int = 1) -> float | None:
        settings = RankSettings(penalty=penalty)
        return with_penalty(settings, rows, users=users, scale=SCALE, threads=threads).penalty

    assert choose(rows) == pytest.approx(800 / 3)
    order = np.random.default_rng(0).permutation(len(rows))
    assert choose(EncodedRatings(*(column[order] for column in columns)), threads=2) == choose(rows)
    assert choose(rows, penalty=5) == 5
    few = EncodedRatings(*(column[:300] for column in columns))
    assert choose(few) == 800


def test_a_choice_and_a_fit_report_rising_shares_and_stop_where_asked() -> None:
    rows, _ = planted_tastes(300, 300)
    shares: list[int] = []
    watch = FitShare(lambda point: shares.append(point.rows_done))
    fit_planted(rows, 300, 300, rank=10, dense_mb=0, listener=watch.before_the_fit)
    assert set(shares) == {0}
    fit_planted(rows, 300, 300, rank=10, dense_mb=0, listener=watch)
    assert shares == sorted(shares)
    assert shares[-1] == 1000

    def stop(point: RankProgress) -> None:
        if point.stage == "gradients":
            raise KeyboardInterrupt

    for device in (None, *TORCH_DEVICES):
        with pytest.raises(KeyboardInterrupt):
            fit_planted(rows, 300, 300, rank=10, dense_mb=0, device=device, listener=stop)


@pytest.mark.parametrize("chunk", [7, 1 << 22])
@pytest.mark.parametrize("fewest", [50, 8192])
def test_the_step_fits_the_rated_movies_of_its_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, fewest: int
) -> None:
    monkeypatch.setattr(ratings, "_CHUNK_ROWS", chunk)
    monkeypatch.setattr(rare_movies, "FEWEST", fewest)
    users, movies = 300, 120
    rows, _ = planted_tastes(users, movies)
    rows = rows[0], rows[1] * 2 + 1, rows[2]  # only movies with an odd code have ratings
    for name, size in (("users", users), ("movies", 2 * movies + 5)):
        pq.write_table(pa.table({"code": np.arange(size)}), tmp_path / f"{name}.parquet")
    for subset, some in (("train", slice(0, -99)), ("valid", slice(-99, None))):
        columns = zip(("user_code", "movie_code", "rating"), rows, strict=True)
        pq.write_table(
            pa.table({name: column[some] for name, column in columns}), tmp_path / f"{subset}.parquet"
        )
    settings = RankSettings(rank=8, penalty=100)
    found = write_ranking(
        tmp_path,
        split=tmp_path,
        split_digest="0" * 20,
        scale=SCALE,
        subsets=("train", "valid"),
        settings=settings,
        threads=2,
        device="cpu",
        may_fall_back=False,
        work=tmp_path,
        listener=silent,
    )
    rated = np.unique(rows[1])
    place = np.searchsorted(rated, rows[1]).astype(np.int32)
    fitted = fit_ranking(
        rows[0], place, rows[2], users=users, movies=len(rated), scale=SCALE, settings=settings
    )
    save_model(tmp_path / "expected", fitted.rearranged(rated, np.arange(len(rated)), movies=2 * movies + 5))
    assert _same(load_model(tmp_path / "ranking.safetensors"), load_model(tmp_path / "expected"))
    assert found.rows == len(rows[0])


def test_rows_with_a_place_are_found_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratings, "_CHUNK_ROWS", 3)
    codes, place = np.array([2, 0, 2, 1, 2, 0, 0], np.int32), np.array([-1, -1, 0], np.int32)
    assert ratings.placed_rows(codes, place).tolist() == [0, 2, 4]
