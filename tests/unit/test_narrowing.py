"""Narrowed lists have exactly the best of the allowed movies."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import matinee
from matinee.cli.arguments import parse
from matinee.errors import ConfigError
from matinee.recommend import lists, read_movie_ids, recommend_all, recommend_some
from matinee.release.narrowing import Narrowing, franchise
from matinee.settings import RecommendSettings

Make = Callable[..., Path]
CASES: list[dict[str, Any]] = [
    {"exclude": [13, 23, 77]},
    {"only": range(3, 200, 10)},
    {"years": (1980, 1990)},
    {"per_franchise": 1},
    {"per_year": 2},
    {
        "only": range(3, 300, 10),
        "exclude": [13, 53],
        "years": (1975, 1999),
        "per_franchise": 2,
        "per_year": 1,
    },
]


def varied(folder: Path) -> matinee.Release:
    """A release whose movies have years from 1970 on and seven franchises. Some movies have neither."""
    release = matinee.load(folder)
    movies = len(release.movies)
    draw = np.random.default_rng(3)
    years = np.where(draw.random(movies) < 0.1, 0, draw.integers(1970, 2000, movies)).astype(np.int32)
    names = [f"Saga {'ABCDEFG'[code % 7]}: Part {code}" if code else None for code in range(movies)]
    catalog = replace(release.catalog, years=years, titles=pa.chunked_array([pa.array(names, pa.string())]))
    return replace(release, catalog=catalog)


def expected_list(release: matinee.Release, user_id: int, n: int, **narrow: Any) -> list[int]:
    """The ids of a narrowed list, selected one by one from the full list."""
    kept: list[int] = []
    sagas: Counter[str | None] = Counter()
    of_year: Counter[int] = Counter()
    first, last = narrow.get("years") or (-1, 9999)
    for movie_id, title, _ in release.recommend(user_id, len(release.movies)):
        year = int(release.catalog.years[(movie_id - 3) // 10])
        saga = title and title[5]
        if movie_id in narrow.get("exclude", ()) or movie_id not in narrow.get("only", [movie_id]):
            continue
        if not first <= year <= last or ("years" in narrow and not year):
            continue
        if saga and sagas[saga] >= narrow.get("per_franchise", 99):
            continue
        if year and of_year[year] >= narrow.get("per_year", 99):
            continue
        kept.append(movie_id)
        sagas[saga] += 1
        of_year[year] += 1
    return kept[:n]


@pytest.mark.parametrize("narrow", CASES, ids="+".join)
@pytest.mark.parametrize("ranked", [True, False])
def test_a_narrowed_list_has_the_best_allowed_movies(
    narrow: dict[str, Any], ranked: bool, random_release: Make
) -> None:
    release = varied(random_release(ranked=ranked))
    for user_id in (13, 93, 493, 999_999):
        for n in (1, 5, 100):
            found = release.recommend(user_id, n, **narrow)
            assert [movie.movie_id for movie in found] == expected_list(release, user_id, n, **narrow)
    guest = release.fold_in({13: 5, 393: 4})
    whole = [movie.movie_id for movie in guest.recommend(40)]
    narrowed = [movie.movie_id for movie in guest.recommend(40, **narrow)]
    assert narrowed == [movie_id for movie_id in whole if movie_id in narrowed]
    assert 0 < len(narrowed) < len(whole)


@pytest.mark.parametrize("narrow", CASES, ids="+".join)
@pytest.mark.parametrize("shape", [{"ranked": True}, {}, {"ranked": True, "movies": 1500}], ids=str)
@pytest.mark.parametrize("device", [None, "cpu"])
def test_narrowed_lists_for_all_users_equal_those_of_each_user(
    narrow: dict[str, Any],
    shape: dict[str, Any],
    device: str | None,
    random_release: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "_device", lambda *_: device)  # torch on the CPU simulates a GPU
    release, out = varied(random_release(**shape)), tmp_path / "out.parquet"
    recommend_all(release, out=out, top=6, settings=RecommendSettings(), narrowing=Narrowing(**narrow))
    found = pl.read_parquet(out).group_by("user_id", maintain_order=True).agg("movie_id")
    expected = {user_id: release.recommend(user_id, 6, **narrow) for user_id in release.users.ids.tolist()}
    ids = {user_id: [each.movie_id for each in listed] for user_id, listed in expected.items() if listed}
    assert dict(found.iter_rows()) == ids
    assert max(map(len, ids.values())) > 2
    assert b"matinee.top" not in (pq.read_schema(out).metadata or {})  # they are not used as full lists


def test_a_wrong_keyword_is_named_with_those_that_there_are(random_release: Make) -> None:
    release = matinee.load(random_release())
    for lists_of in (release, release.fold_in({13: 5})):
        ask: Any = partial(lists_of.recommend, 13) if lists_of is release else lists_of.recommend
        with pytest.raises(TypeError, match=r"no keyword 'genre'. It takes n, explain, exclude, only, years"):
            ask(genre="Comedy")
        with pytest.raises(ConfigError, match=r"given as '1990-1999'; expected .* such as \(1990, 1999\)"):
            ask(years="1990-1999")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["similar", "--store", "s", "--movie", " "], "an empty text is not an id"),
        (["recommend", "--store", "s", "--all", "--out", "o", "--years", "1990"], "such as 1990-1999"),
        (
            ["similar", "--store", "s", "--movie", "1", "--genre", "x"],
            "--genre x. See `matinee similar --help`",
        ),
    ],
)
def test_a_wrong_option_says_what_was_expected(words: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        parse(words)


def test_a_narrowing_that_leaves_no_movie_is_refused(random_release: Make, tmp_path: Path) -> None:
    release = matinee.load(random_release())
    with pytest.raises(ConfigError, match=r"None of the 40 movies .* 2 allowed ids, years 1900 to 1950"):
        recommend_some(
            release,
            [13],
            out=tmp_path / "o.parquet",
            top=3,
            narrowing=Narrowing(only=[1, 2], years=(1900, 1950)),
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("movie_id\n3\n\n0000000000000000000013\n", None),
        ("3\n4.5\n", "Line 2 .*4.5"),
        ("movieId\n", "no movie ids"),
    ],
)
def test_a_file_of_movie_ids_has_one_per_line(text: str, said: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text(text)
    if said is None:
        assert read_movie_ids(path) == [3, 13]
    else:
        with pytest.raises(ConfigError, match=said):
            read_movie_ids(path)


@pytest.mark.parametrize(
    ("narrow", "said"),
    [
        ({"years": (2000, 1990)}, "2000 to 1990"),
        ({"per_year": 0}, "0 movies per year"),
        ({"per_franchise": -1}, "-1 movies per franchise"),
        ({"exclude": ["x"]}, "movie"),
    ],
)
def test_an_invalid_narrowing_is_refused(narrow: dict[str, Any], said: str, random_release: Make) -> None:
    with pytest.raises(ConfigError, match=said):
        matinee.load(random_release()).recommend(13, **narrow)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Star Trek: First Contact (1996)", "star trek"),
        ("Star Trek III: The Search for Spock", "star trek"),
        ("Kill Bill: Vol. 1", "kill bill"),
        ("Friends, Vol. 3", "friends"),
        ("Lord of the Rings: The Two Towers, The", "lord of the rings"),
        ("Godfather, The (1972)", "godfather"),
        ("Toy Story 2 (1999)", "toy story"),
        ("Se7en", "se7en"),
        ("1984", "1984"),
        ("", None),
    ],
)
def test_titles_of_a_franchise_share_a_name(title: str, name: str | None) -> None:
    assert franchise(title) == name
