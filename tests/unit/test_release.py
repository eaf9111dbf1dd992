"""Answers of a release follow its formulas: lists equal brute force, new users the normal equations."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_release import write_checksums

import matinee
from matinee.errors import ConfigError, ReleaseError
from matinee.release.ranking_model import GRADE_STEP, grade_codes
from matinee.release.rating_levels import to_ratings
from matinee.release.user_prior import Picks, UserPrior, estimate_user_prior

Make = Callable[..., Path]


def _expected_list(release: matinee.Release, user: int, n: int) -> list[int]:
    """The codes of a user's list, one movie after the other."""
    weights, rows, liked = release.weights, release.catalog.train_rows, release.catalog.liked_rows
    start, stop = release.catalog.seen_offsets[user : user + 2]
    seen = set(release.catalog.seen_movies[start:stop].tolist())
    scores = {
        movie: weights["mean"][0]
        + weights["user_bias"][user]
        + sum(weights["user_factors"][user] * weights["movie_factors"][movie])
        + 0.4 * (np.log1p(rows[movie]) + np.log1p(liked[movie])) / 2
        for movie in range(len(rows))
        if movie not in seen and rows[movie] > 0
    }
    return sorted(scores, key=lambda movie: -scores[movie])[:n]


def test_recommend_returns_the_best_unseen_movies(random_release: Make) -> None:
    release = matinee.load(random_release())
    for user in range(49):
        for n in (1, 10, 1000):
            found = release.recommend(user * 10 + 3, n)
            assert [movie_id for movie_id, _, _ in found] == [
                code * 10 + 3 for code in _expected_list(release, user, n)
            ]
    best = release.recommend(13)[0]
    assert best.title == (f"Movie {(best.movie_id - 3) // 10}" if best.movie_id > 3 else None)
    code = (best.movie_id - 3) // 10
    taste = release.expect(1)[code] - release.weights["movie_bias"][code]
    assert best.score == pytest.approx(taste + release.catalog.appeal[code], rel=1e-5)


def test_lists_are_ordered_by_the_ranking_model_and_show_the_expected_rating(random_release: Make) -> None:
    release = matinee.load(random_release(ranked=True))
    model, catalog = release.ranking, release.catalog
    for user in range(49):
        rated, levels = catalog.seen(user), catalog.levels(user)
        x = model.encode_rated[rated] + grade_codes(levels)[:, None] * GRADE_STEP * model.encode_liked[rated]
        scores = model.decode @ x.sum(axis=0) if len(rated) else model.popularity
        order = [code for code in np.argsort(-scores, kind="stable") if code not in rated and code != 39]
        found = release.recommend(user * 10 + 3, 5)
        assert [movie.movie_id for movie in found] == [code * 10 + 3 for code in order[:5]]
        ids = [movie.movie_id for movie in found]
        expected = release.predict([user * 10 + 3] * len(ids), ids)
        assert [movie.expected_rating for movie in found] == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_new_user_with_the_ratings_of_a_trained_user_gets_the_same_list(random_release: Make) -> None:
    release = matinee.load(random_release(ranked=True))
    catalog = release.catalog
    ratings = to_ratings(catalog.levels(5), release.scale)
    guest = release.fold_in(
        dict(zip(catalog.movie_ids[catalog.seen(5)].tolist(), ratings.tolist(), strict=True))
    )
    ours, theirs = release.recommend(53, 10), guest.recommend(10)
    assert [movie.movie_id for movie in ours] == [movie.movie_id for movie in theirs]
    assert [movie.score for movie in ours] == pytest.approx([movie.score for movie in theirs], abs=1e-5)


def test_a_new_user_who_rated_only_unknown_movies_is_a_warning(random_release: Make) -> None:
    release = matinee.load(random_release(ranked=True))
    with pytest.warns(
        UserWarning, match="None of the movies that were given, such as 1, is known to release"
    ):
        assert release.fold_in({1: 5}).unknown == (1,)
    assert release.fold_in({1: 5, 13: 5}).unknown == (1,)


def test_a_ranking_model_without_rating_levels_is_refused(random_release: Make) -> None:
    folder = random_release(ranked=True)
    (folder / "seen.levels.npy").unlink()
    write_checksums(folder, model="dot")
    with pytest.raises(ReleaseError, match=r"seen\.levels\.npy"):
        matinee.load(folder)
    np.save(folder / "seen.levels.npy", np.full(3, 241, np.uint8))
    write_checksums(folder, model="dot")
    with pytest.raises(ReleaseError, match=r"3 levels up to 241"):
        matinee.load(folder)


def test_seen_movies_are_memory_mapped(random_release: Make) -> None:
    catalog = matinee.load(random_release()).catalog
    assert isinstance(catalog.seen_movies, np.memmap)
    assert isinstance(catalog.seen_offsets, np.memmap)


def test_an_unknown_user_gets_popular_movies(random_release: Make) -> None:
    release = matinee.load(random_release())
    rows, liked = release.catalog.train_rows, release.catalog.liked_rows
    popular = np.log1p(rows) + np.log1p(liked)
    order = [code * 10 + 3 for code in np.argsort(-popular, kind="stable") if code != 39]
    assert [movie_id for movie_id, _, _ in release.recommend(999_999, 100)] == order


def test_a_movie_without_train_rows_is_in_no_list(random_release: Make) -> None:
    factors = np.ones((40, 5))
    release = matinee.load(random_release(movie_factors=factors, movie_bias=np.r_[np.zeros(39), 100.0]))
    lists = [release.recommend(13, 99), release.similar(3, 99), release.fold_in({13: 5.0}).recommend(99)]
    assert all(393 not in {movie_id for movie_id, _, _ in found} for found in lists)
    with pytest.raises(ConfigError, match="393 has no training row"):
        release.similar(393)


def test_similar_orders_by_the_cosine(random_release: Make) -> None:
    release = matinee.load(random_release())
    factors = release.weights["movie_factors"].astype(np.float64)
    factors /= np.linalg.norm(factors, axis=1, keepdims=True)
    cosine = factors @ factors[4]
    found = release.similar(43, 5)
    expected = [code for code in np.argsort(-cosine) if code not in (4, 39)][:5]
    assert [movie_id for movie_id, _, _ in found] == [code * 10 + 3 for code in expected]
    assert [score for _, _, score in found] == pytest.approx(cosine[expected].tolist(), rel=1e-5)


def test_with_a_ranking_model_similar_uses_the_cosine_of_its_encoder(random_release: Make) -> None:
    release = matinee.load(random_release(ranked=True))
    assert release.ranking is not None
    rows = release.ranking.encode_rated / np.linalg.norm(release.ranking.encode_rated, axis=1, keepdims=True)
    cosine = rows @ rows[4]
    expected = [code for code in np.argsort(-cosine) if code not in (4, 39)][:5]
    assert [each.movie_id for each in release.similar(43, 5)] == [code * 10 + 3 for code in expected]


def test_equal_scores_keep_the_order_of_the_ids(random_release: Make) -> None:
    flat = {name: np.zeros(shape) for name, shape in (("movie_factors", (40, 5)), ("movie_bias", 40))}
    release = matinee.load(random_release(**flat))
    rows = np.full(40, 5)
    release = replace(release, catalog=replace(release.catalog, train_rows=rows, liked_rows=rows))
    assert [movie_id for movie_id, _, _ in release.recommend(999_999, 3)] == [3, 13, 23]


def test_fold_in_solves_the_normal_equations(random_release: Make) -> None:
    release = matinee.load(random_release())
    ratings = {3: 5.0, 13: 1.0, 23: 4.5, 393: 5.0, 999_999: 1.0}  # the last two are unknown to the model
    guest = release.fold_in(ratings)
    Z = np.column_stack([release.weights["movie_factors"][:5], np.ones(5)]).astype(np.float64)
    left = np.array([5.0, 1.0, 4.5, 5.0, 1.0]) - 3.5 - np.append(release.weights["movie_bias"][:3], [0, 0])
    Z[3:, :5] = 0  # only how high the user rates
    A = np.diag(2 / (1 + 0.5 / (np.append(release.catalog.train_rows[:3], [0, 0]) + 1)))
    precision = np.diag(
        [1 / 1.5] * 5 + [1.0]
    )  # for the prior, factors have a larger variance than the trained ones
    x = np.linalg.solve(precision + Z.T @ A @ Z, precision @ np.full(6, 0.1) + Z.T @ A @ left)
    movie = release.weights["movie_factors"][7] @ x[:5] + release.weights["movie_bias"][7] + x[5] + 3.5
    assert guest.predict([73, 999_999]) == pytest.approx(np.clip([movie, 3.5 + x[5]], 1, 5), rel=1e-4)
    listed = {movie_id for movie_id, _, _ in guest.recommend(99)}
    assert listed == set(range(33, 393, 10))
    assert release.fold_in(list(ratings.items())).recommend(3) == guest.recommend(3)
    with pytest.warns(UserWarning, match="No movies were given"):
        nobody = release.fold_in({})
    assert np.isfinite(nobody.predict([3])).all()


def test_fold_in_without_a_dot_model_is_refused_with_the_reason(random_release: Make) -> None:
    release = matinee.load(random_release(model="linear"))
    with pytest.raises(ReleaseError, match="linear"):
        release.fold_in({3: 4.0})


@pytest.mark.parametrize("rating", [9.0, float("nan")])
def test_fold_in_refuses_a_rating_outside_the_scale(rating: float, random_release: Make) -> None:
    release = matinee.load(random_release())
    with pytest.raises(ConfigError, match=r"Movie 13 .*1 to 5"):
        release.fold_in({13: rating})
    with pytest.raises(ConfigError, match="0 movies"):
        release.recommend(13, 0)


def test_the_prior_has_the_moments_of_the_trained_users(tmp_path: Path) -> None:
    weights = {
        "mean": np.float32([3]),
        "user_bias": np.float32([1, -1, 50]),
        "movie_bias": np.float32([0, 1]),
        "user_factors": np.float32([[2], [0], [50]]),
        "movie_factors": np.float32([[1], [3]]),
    }
    pq.write_table(pa.table({"train_rows": [4, 1, 0]}), tmp_path / "users.parquet")
    codes = {"user_code": np.int32([0, 0, 0, 0, 1]), "movie_code": np.int32([0, 0, 0, 1, 0])}
    rating = np.float32([5, 5, 5, 12, 4])  # residuals -1 (three times), 1, 2
    pq.write_table(pa.table({**codes, "rating": rating}), tmp_path / "train.parquet")
    prior = estimate_user_prior(weights, tmp_path, movie_rows=np.array([4, 1]))
    assert prior.noise_precision == pytest.approx(5 / 8)
    np.testing.assert_allclose(prior.mean, [4 / 3, 1 / 3])  # the square root of the rows: 2 to 1
    np.testing.assert_allclose(prior.covariance, np.full((2, 2), 8 / 9))
    assert prior.picks is not None
    np.testing.assert_allclose(prior.picks.centre[:2], [4 / 3, 1 / 6])  # averages are 1.5, .25 and 1, 0
    np.testing.assert_allclose(prior.picks.spread[:2, :2], [[1 / 18, 1 / 36], [1 / 36, 1 / 72]], atol=1e-12)
    np.testing.assert_allclose(prior.picks.noise[:2, :2], [[1, 0.5], [0.5, 0.25]])  # four, minus an average
    np.testing.assert_allclose(prior.picks.pull[:, :2], [[2 / 9, 1 / 9]] * 2)


def test_a_direction_without_spread_stays_at_the_mean() -> None:
    prior = UserPrior(1.0, np.array([0.5, 0.0]), np.diag([0.0, 1.0]), picks=None)
    movies = np.array([[2.0, 0.0, 0.0]])
    found = prior.posterior_mean(movies, np.array([3.0]), rows=np.array([10**9]))
    assert found == pytest.approx([0.5, 1.0])  # half of 3 - 2 * .5


def test_the_choice_of_movies_shifts_the_prior() -> None:
    picks = Picks(centre=np.zeros(3), spread=np.eye(3), noise=np.eye(3), pull=0.5 * np.eye(2, 3))
    shift, explained = picks.explain(np.array([[2.0, 0, 0], [4.0, 1, 0]]))
    np.testing.assert_allclose(shift, np.array([1.5, 0.25]) / 1.53)  # averages 3 and .5, of two choices
    np.testing.assert_allclose(explained, 0.25 / 1.53 * np.eye(2))


def test_an_unknown_movie_does_not_count_as_a_choice() -> None:
    picks = Picks(centre=np.ones(3), spread=np.eye(3), noise=np.eye(3), pull=0.5 * np.eye(2, 3))
    prior = UserPrior(noise_precision=2.0, mean=np.zeros(2), covariance=np.eye(2), picks=picks)
    ratings = np.zeros((2, 3)), np.zeros(2)
    unknown = prior.posterior_mean(*ratings, rows=np.zeros(2, np.int64))
    expected = replace(prior, picks=None).posterior_mean(*ratings, rows=np.zeros(2, np.int64))
    np.testing.assert_array_equal(unknown, expected)


def test_several_threads_get_the_same_answers_as_one(random_release: Make) -> None:
    folder = random_release()
    release = matinee.load(folder)
    users = [code * 10 + 3 for code in range(50)] * 4
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(release.recommend, users))
    alone = matinee.load(folder)
    assert lists == [alone.recommend(user) for user in users]


def test_pairs_have_any_shape_and_integer_ids(random_release: Make) -> None:
    release = matinee.load(random_release())
    one = release.predict([13, 13], [23, 33])
    assert (release.predict(13, [[23.0], [33.0]]).ravel() == one).all()
    assert release.predict(13, 23) == one[0]
    assert release.predict([], []).shape == (0,)
    with pytest.raises(ConfigError, match=r"shape \(2,\) and movie ids of shape \(3,\)"):
        release.predict([13, 13], [23, 33, 43])
    for wrong in (13.5, float("nan"), "13", True, None, 2**63, np.uint64(2**63)):
        with pytest.raises(ConfigError, match="A user id was given as"):
            release.predict([wrong], 23)
    with pytest.raises(ConfigError, match="user id was given as None"):
        release.predict([13, None], [23, 33])
    with pytest.raises(ConfigError, match=r"user id was given as 13\.5"):
        release.recommend(13.5)
    with pytest.raises(ConfigError, match=r"movie id was given as 23\.5"):
        release.fold_in({23.5: 4.0})
    assert len(repr(release)) < 300
    assert len(repr(release.fold_in({23: 4.0}))) < 100


def test_a_changed_byte_is_refused(random_release: Make) -> None:
    folder = random_release()
    data = bytearray((folder / "seen.movies.npy").read_bytes())
    data[-1] ^= 1
    (folder / "seen.movies.npy").write_bytes(data)
    with pytest.raises(ReleaseError, match=r"seen\.movies\.npy was changed"):
        matinee.load(folder)


def test_a_release_needs_no_framework(random_release: Make) -> None:
    code = (
        "import sys, matinee; release = matinee.load(sys.argv[1]); release.predict([3], [3]); release.recommend(3); "
        "release.similar(3); release.fold_in({3: 5.0}).recommend(); "
        "sys.exit(' '.join({'torch', 'prefect', 'polars', 'numba', 'pandera'} & sys.modules.keys()) or 0)"
    )
    subprocess.run([sys.executable, "-c", code, str(random_release())], check=True)


def test_the_readme_runs(
    random_release: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random_release(ranked=True)
    monkeypatch.chdir(tmp_path)
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    exec(readme.partition("```python\n")[2].partition("```")[0], {})
    assert len(capsys.readouterr().out.splitlines()) == 5
