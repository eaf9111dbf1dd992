"""Samples: files have the planted ratings, as read by readers that share no code with the writer."""

import json
import math
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_sample import rating_lines, read_slowly, slow_code, table_rows

from matinee.errors import ConfigError
from matinee.sample import Truth, write_sample
from matinee.sample.planted import default_movies, default_users, plant
from matinee.schemas.rejects import CODES

RATINGS = 20_000


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    out = tmp_path_factory.mktemp("clean")
    return out, write_sample(out, ratings=RATINGS, seed=3)


def test_a_sample_has_the_requested_ratings_without_duplicates(clean: tuple[Path, Truth]) -> None:
    out, truth = clean
    rows = [line.split(",") for _, line in rating_lines(out)]
    assert len(rows) == len({(user, movie) for user, movie, _, _ in rows}) == RATINGS
    assert len({user for user, _, _, _ in rows}) == truth.users == default_users(RATINGS)
    assert len({movie for _, movie, _, _ in rows}) == truth.rated_movies <= truth.movies
    assert {rating for _, _, rating, _ in rows} == set("12345")
    assert all(1 <= int(movie) <= truth.movies == default_movies(RATINGS) for _, movie, _, _ in rows)
    assert all("1999-01-01" <= day <= "2005-12-31" for _, _, _, day in rows)
    users = [int(user) for user, _, _, _ in rows]
    assert max(users) > 100 * truth.users
    assert sum(a > b for a, b in pairwise(users)) > RATINGS / 3
    assert Truth.model_validate(json.loads((out / "truth.json").read_text())) == truth
    assert sorted(path.name for path in out.iterdir()) == ["movie_titles.csv", "ratings.csv", "truth.json"]


def test_activity_and_popularity_have_long_tails(clean: tuple[Path, Truth]) -> None:
    rows, _ = read_slowly(clean[0])
    for counts in (Counter(user for user, *_ in rows), Counter(movie for _, movie, *_ in rows)):
        ordered = sorted(counts.values())
        assert ordered[-1] > 4 * ordered[len(ordered) // 2]
    assert min(Counter(user for user, *_ in rows).values()) >= 5


@pytest.mark.parametrize(("ratings", "users", "movies"), [(100_480_507, 480_189, 17_770)])
def test_default_sizes_match_netflix(ratings: int, users: int, movies: int) -> None:
    assert (default_users(ratings), default_movies(ratings)) == (users, movies)


def test_the_same_call_writes_the_same_bytes_with_any_number_of_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(name: str, seed: int) -> dict[str, bytes]:
        write_sample(tmp_path / name, ratings=100_000, seed=seed, dirty=0.01)  # more than one block of users
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    first = written("a", 5)
    assert written("other seed", 6)["ratings.csv"] != first["ratings.csv"]
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert written("b", 5) == first


def test_the_planted_model_reaches_the_best_rmse_and_similar_models_do_not(
    clean: tuple[Path, Truth],
) -> None:
    out, truth = clean
    planted = plant(ratings=RATINGS, users=truth.users, movies=truth.movies, seed=truth.seed)
    code_of = {user: code for code, user in enumerate(planted.user_ids.tolist())}
    rows, _ = read_slowly(out)
    user = np.array([code_of[row[0]] for row in rows])
    movie = np.array([row[1] - 1 for row in rows])
    rating = np.array([float(row[2]) for row in rows])
    fit = np.einsum("ij,ij->i", planted.users.taste[user], planted.movies.taste[movie], dtype=np.float64)
    by_bias = planted.users.score[user] + planted.movies.bias[movie]

    def rmse(score: np.ndarray) -> float:
        edges = [(k + 0.5 - score) / (planted.law.noise * math.sqrt(2)) for k in (1, 2, 3, 4)]
        expected = 1 + sum(np.array([math.erfc(x) for x in edge]) / 2 for edge in edges)
        return float(np.sqrt(np.mean((expected - rating) ** 2)))

    assert rmse(by_bias + fit) == pytest.approx(truth.best_rmse, abs=2e-6)
    for wrong in (
        by_bias,
        by_bias + 0.7 * fit,
        by_bias + 1.3 * fit,
        by_bias + fit + 0.1,
        by_bias + fit - 0.1,
    ):
        assert rmse(wrong) > truth.best_rmse
    assert 0.80 < truth.best_rmse < 0.88
    assert 0.90 < truth.bias_only_rmse < 0.98
    assert 1.03 < truth.global_mean_rmse < 1.13
    assert truth.bias_only_rmse < rmse(by_bias)
    assert truth.global_mean_rmse == pytest.approx(rating.std(), abs=2e-6)
    everywhere = planted.users.taste @ planted.movies.taste.T
    assert fit.mean() > everywhere.mean() + 0.1  # pairs with a better fit are more frequent


def test_netflix_text_has_the_rows_of_the_csv_by_movie(clean: tuple[Path, Truth], tmp_path: Path) -> None:
    truth = write_sample(tmp_path, ratings=RATINGS, seed=3, format="netflix")
    assert truth == clean[1].model_copy(update={"format": "netflix"})
    assert sorted(read_slowly(tmp_path)[0]) == sorted(read_slowly(clean[0])[0])
    files = sorted(tmp_path.glob("combined_data_*.txt"))
    sections = [int(line[:-1]) for path in files for line in path.read_text().split() if line.endswith(":")]
    assert len(files) == 4
    assert sections == sorted(set(sections))


@pytest.mark.parametrize("layout", ["jsonl", "inter", "parquet"])
def test_other_formats_have_the_rows_of_the_csv(
    clean: tuple[Path, Truth], tmp_path: Path, layout: Literal["jsonl", "inter", "parquet"]
) -> None:
    truth = write_sample(tmp_path, ratings=RATINGS, seed=3, format=layout)
    assert truth == clean[1].model_copy(update={"format": layout})
    csv = [line.split(",") for _, line in rating_lines(clean[0])]
    expected = [(int(user), int(movie), int(rating), date) for user, movie, rating, date in csv]
    assert list(table_rows(tmp_path / f"ratings.{layout}")) == expected
    write_sample(tmp_path, ratings=1000, seed=3, format=layout, ids="text")
    assert b"tt0000" in (tmp_path / f"ratings.{layout}").read_bytes()
    write_sample(tmp_path, ratings=1000, seed=3)
    assert not list(tmp_path.glob(f"*.{layout}")), "an earlier sample is replaced"
    with pytest.raises(ConfigError, match="is written without bad rows"):
        write_sample(tmp_path, ratings=1000, format=layout, dirty=0.1)


@pytest.mark.parametrize(("layout", "codes"), [("csv", 15), ("netflix", 11)])
def test_a_slow_reader_finds_the_planted_rejects(
    clean: tuple[Path, Truth], tmp_path: Path, layout: Literal["csv", "netflix"], codes: int
) -> None:
    truth = write_sample(tmp_path, ratings=RATINGS, seed=3, format=layout, dirty=0.05)
    rows, rejects = read_slowly(tmp_path)
    assert dict(rejects) == truth.rejects
    assert set(truth.rejects) <= CODES.keys()
    assert len(truth.rejects) == codes
    assert truth.rows == RATINGS + rejects.total()
    assert rejects.total() / truth.rows == pytest.approx(0.05, abs=1e-4)
    assert sorted(rows) == sorted(
        read_slowly(clean[0])[0]
    )  # the kept rows are the planted rows, including their dates


def test_bad_rows_are_spread_over_the_file(tmp_path: Path) -> None:
    truth = write_sample(tmp_path, ratings=RATINGS, dirty=0.3)
    codes = [slow_code(columns, line) for columns, line in rating_lines(tmp_path)]
    for tenth in np.array_split(np.array(codes, dtype=object), 10):
        found = Counter(tenth)
        assert found.keys() - {None} == truth.rejects.keys() - {"superseded"}
        assert 0.2 < 1 - found[None] / len(tenth) < 0.36
    # With more of them, ingest would choose another scale that contains them.
    assert truth.rejects["rating_out_of_bounds"] < 0.005 * RATINGS


def test_a_small_share_of_invalid_rows_has_every_code(tmp_path: Path) -> None:
    truth = write_sample(tmp_path, ratings=1000, dirty=0.001)
    assert set(truth.rejects.values()) == {1}
    assert read_slowly(tmp_path)[1] == truth.rejects


def test_titles_are_unquoted_latin_with_commas_quotes_accents_and_unknown_years(
    clean: tuple[Path, Truth],
) -> None:
    raw = (clean[0] / "movie_titles.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    assert b"\r" not in raw
    lines = raw.decode("iso-8859-1").split("\n")
    assert lines.pop() == ""
    rows = [line.split(",", 2) for line in lines]
    assert [int(movie) for movie, _, _ in rows] == list(range(1, clean[1].movies + 1))
    years = [year for _, year, _ in rows]
    assert 0 < years.count("NULL") < 0.01 * len(years)
    assert all(year == "NULL" or 1900 <= int(year) <= 2005 for year in years)
    titles = [title for _, _, title in rows]
    for mark in (",", "'", "é", '"'):
        assert sum(mark in title for title in titles) >= 1
    assert any(title.startswith('"') for title in titles)
    assert any(title.count('"') == 1 for title in titles)
    assert all(title.strip() == title != "" for title in titles)


def test_a_slow_reader_finds_the_planted_title_rejects(clean: tuple[Path, Truth], tmp_path: Path) -> None:
    truth = write_sample(tmp_path, ratings=RATINGS, seed=3, dirty=0.1)
    rejects: Counter[str] = Counter()
    kept: dict[str, str] = {}
    for line in (tmp_path / "movie_titles.csv").read_text("iso-8859-1").splitlines():
        movie, year, title = [*line.split(",", 2), None, None][:3]
        if year is None or title is None:
            rejects["too_few_columns"] += 1
        elif not movie:
            rejects["movie_id_missing"] += 1
        elif not re.fullmatch(r"-?\d+", movie):
            rejects["movie_id_not_integer"] += 1
        elif int(movie) < 0:
            rejects["movie_id_out_of_bounds"] += 1
        elif year != "NULL" and not year.isdigit():
            rejects["year_not_integer"] += 1
        elif year != "NULL" and not 1870 <= int(year) <= 2100:
            rejects["year_out_of_bounds"] += 1
        elif not title:
            rejects["title_missing"] += 1
        elif movie in kept:
            rejects["duplicate_movie_id"] += 1
        else:
            kept[movie] = line
    assert dict(rejects) == truth.title_rejects
    assert set(truth.title_rejects) <= CODES.keys()
    assert [*kept.values()] == (clean[0] / "movie_titles.csv").read_text("iso-8859-1").splitlines()


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 1), st.integers(0, 9))
def test_any_possible_number_of_ratings_is_generated_exactly(
    users: int, movies: int, fill: float, seed: int
) -> None:
    ratings = users + round(fill * users * (movies - 1))
    shared = plant(ratings=ratings, users=users, movies=movies, seed=seed).users.ratings
    assert shared.sum() == ratings
    assert shared.min() >= 1
    assert shared.max() <= movies


def test_every_possible_pair_can_be_generated(tmp_path: Path) -> None:
    write_sample(tmp_path, ratings=1000, users=100, movies=10)
    rows, rejects = read_slowly(tmp_path)
    assert (len(rows), rejects.total()) == (1000, 0)
