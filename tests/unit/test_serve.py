"""The server answers as the release does, refuses bad questions in one sentence."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import Ask, asking, write_served_store
from small_release import write_release

from matinee.release import Release, load
from matinee.release.plays import PLAYS_MODEL
from matinee.serve.loaded_releases import LoadedReleases


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_served_store(tmp_path_factory.mktemp("serve") / "store")


@pytest.fixture(scope="module")
def ask(template: Path) -> Ask:
    return asking(LoadedReleases(template))


@pytest.fixture(scope="module")
def release(template: Path) -> Release:
    return load(template / "releases/v0001")


def _listed(movies: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(each["movie_id"], each["title"], each["score"]) for each in movies]


def test_answers_are_those_of_the_release(ask: Ask, release: Release) -> None:
    pairs = [(13, 3), (13, 9_999), (4, 23)]
    answer = ask(
        "/predict", {"pairs": [{"user_id": user, "movie_id": movie} for user, movie in pairs]}
    ).json()
    assert answer["ratings"] == release.predict(*zip(*pairs, strict=True)).tolist()  # type: ignore[arg-type]
    assert (answer["release"], answer["unknown_users"], answer["unknown_movies"]) == ("v0001", 1, 1)
    narrow: dict[str, Any] = {"exclude": [23], "per_franchise": 1, "per_year": 3}
    answer = ask("/recommend", {"user_id": 13, "n": 4, "explain": True, **narrow}).json()
    given = release.recommend(13, 4, explain=True, **narrow)
    assert _listed(answer["movies"]) == [tuple(each) for each in given]
    assert [each["because"]["share"] for each in answer["movies"] if each["because"]] == [
        each.because.share for each in given if each.because
    ]
    assert not ask("/recommend", {"user_id": 4}).json()["known"]
    answer = ask("/similar?movie_id=13&n=3").json()
    assert _listed(answer["movies"]) == [tuple(each) for each in release.similar(13, 3)]
    answer = ask("/explain?user_id=13&movie_id=33&n=1").json()
    explained = release.explain(13, 33)
    assert (answer["score"], answer["reasons"][0]["share"]) == (explained.score, explained.reasons[0].share)
    assert (answer["known"], answer["other_reasons"]) == (True, len(explained.reasons) - 1)
    assert not ask("/explain?user_id=4&movie_id=33").json()["known"]
    answer = ask(
        "/fold_in", {"ratings": [{"movie_id": 13, "rating": 5}, {"movie_id": 1, "rating": 2}]}
    ).json()
    assert _listed(answer["movies"]) == [tuple(each) for each in release.fold_in({13: 5, 1: 2}).recommend()]
    assert answer["unknown"] == [1]
    rated = {each["movie_id"] for each in ask("/ratings?user_id=13").json()["movies"]}
    assert rated == set(release.movies.decode(release.catalog.seen(1)).tolist())


def test_movies_are_found_by_words_and_users_by_the_start_of_an_id(ask: Ask) -> None:
    found = ask("/search?q=MOVIE%2011").json()
    assert [each["title"] for each in found["movies"]] == ["Movie 11"]
    assert ask("/search?q=103").json()["movies"][0]["movie_id"] == 103
    assert ask("/search?q=1").json()["users"] == [13]
    assert ask("/search?q=&n=2").json()["users"] == [3, 13]
    assert ask("/search?q=%00").json()["movies"] == []


def test_another_release_is_asked_by_its_version(ask: Ask, template: Path) -> None:
    assert [each["version"] for each in ask("/releases").json()["releases"]] == ["v0002", "v0001"]
    answer = ask("/recommend", {"user_id": 13, "release": "v0002"}).json()
    assert (answer["release"], _listed(answer["movies"])) == (
        "v0002",
        [tuple(each) for each in load(template / "releases/v0002").recommend(13)],
    )
    for missing in ("v0009", "../releases/v0002", "x"):
        assert ask("/recommend", {"user_id": 13, "release": missing}).status_code == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "`user_id` is missing."),
        (
            {"user_id": True},
            "`user_id` is true; expected an id: an integer, or a text of 1 to 1,000 characters.",
        ),
        ({"user_id": "13"}, "A user id was given as '13'; expected an integer of at most 64 bits."),
        (
            {"user_id": 2**63},
            "A user id was given as 9223372036854775808; expected an integer of at most 64 bits.",
        ),
        ({"user_id": 3, "n": 0}, "`n` is 0; expected 1 or more."),
        ({"user_id": 3, "n": 1001}, "`n` is 1001; expected 1,000 or less."),
        ({"user_id": 3, "x\n": 1}, r"`x\n` is unknown here; /openapi.json lists what may be given."),
        (
            {"user_id": 3, "years": [1999, 1990]},
            "The years are 1999 to 1990; expected the earlier year first.",
        ),
        ({"user_id": 3, "years": [1999]}, "`years[1]` is missing."),
        (
            {"user_id": 3, "exclude": ["a"]},
            "A movie id was given as 'a'; expected an integer of at most 64 bits.",
        ),
        ([], "The body is []; expected an object."),
    ],
)
def test_a_bad_question_is_refused_in_one_sentence(ask: Ask, body: Any, says: str) -> None:
    answer = ask("/recommend", body)
    assert (answer.status_code, answer.json()) == (422, {"error": says})


def test_what_is_no_question_is_refused_in_one_sentence(ask: Ask) -> None:
    def sent(path: str, status: int, **options: Any) -> str:
        answer = ask(path, **options)
        assert answer.status_code == status, answer.text
        return str(answer.json()["error"])

    as_json = {"content-type": "application/json"}
    assert "is not JSON" in sent("/recommend", 422, content=b'{"n', headers=as_json)
    assert "Content-Type" in sent("/recommend", 422, content=b"{}")
    assert sent("/recommend", 422, content=b"\xff", headers=as_json)
    assert "is missing" in sent("/recommend", 422, method="POST")
    assert "more than 1,048,576 bytes" in sent("/recommend", 413, content=b"[" * (1 << 21), headers=as_json)
    assert "`ratings[0].rating` is NaN" in sent(
        "/fold_in", 422, content=b'{"ratings": [{"movie_id": 1, "rating": NaN}]}', headers=as_json
    )
    mixed = {"ratings": [{"movie_id": 13, "rating": 5}, {"movie_id": 23}]}
    assert "either all of the ratings" in sent("/fold_in", 422, body=mixed)
    twice = {"ratings": [{"movie_id": 13, "rating": 1}, {"movie_id": 13, "rating": 5}]}
    assert "movie 13 is in `ratings` twice" in sent("/fold_in", 422, body=twice)
    unrated = sent("/fold_in", 422, body={"ratings": [{"movie_id": 3}]})
    assert 'Add `rating`, as in {"movie_id": 3, "rating": 5}.' in unrated
    assert "expected 1 to 5" in sent("/fold_in", 422, body={"ratings": [{"movie_id": 13, "rating": 9}]})
    assert "whole number" in sent("/similar?movie_id=x", 422)
    assert "can't be read" in sent("/recommend", 422, content=b"[" * 500_000, headers=as_json)
    many = {"user_id": 3, "exclude": [False] * 100_000}
    assert "`exclude[0]` is false" in sent("/recommend", 422, body=many)
    assert sent("/nothing", 404) and sent("/predict", 405)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([3, 13, 23, 0, -1, 2**63, "v0002", "", "\x00", "\ud800", 1e300])
    | st.floats()
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["movie_id", "user_id", "rating"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_question_makes_the_server_fail(ask: Ask, data: st.DataObject) -> None:
    schema = ask("/openapi.json").json()
    path, methods = data.draw(st.sampled_from(sorted(schema["paths"].items())))
    (method, operation) = next(iter(methods.items()))
    if method == "post":
        model = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        fields = schema["components"]["schemas"][model]["properties"]
        body = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, _JSON)) | _JSON)
        sent: dict[str, Any] = {
            "content": json.dumps(body).encode(),
            "headers": {"content-type": "application/json"},
        }
    else:
        names = [each["name"] for each in operation.get("parameters", ())]
        texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(
            ["13", "v0002", "9" * 30]
        )
        sent = {"params": data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, texts)))}
    answer = ask(path, method=method.upper(), **sent)
    assert answer.status_code < 500
    if answer.status_code != 200:
        says = answer.json()["error"]
        assert "\n" not in says and says.endswith(".")
        assert not re.search("pydantic|valid|Input should|_error|str_|int_", says)


def test_a_release_of_plays_answers_what_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "v0001"
    write_release(folder, users=6, movies=12, ranked=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("weights.safetensors", "prior.json"):
        (folder / name).unlink()
        del manifest["files"][name]
    manifest |= {
        "model": PLAYS_MODEL,
        "feedback": "implicit",
        "scale": [1, 1],
        "ranking": "0" * 32,
        "schema_version": 2,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    ask = asking(LoadedReleases(None, folder=folder))
    assert ask("/recommend", {"user_id": 13, "explain": True}).status_code == 200
    assert ask("/fold_in", {"ratings": [{"movie_id": 13}]}).json()["movies"]
    assert {each["rating"] for each in ask("/ratings?user_id=13").json()["movies"]} == {None}
    assert ask("/releases").json()["releases"][0]["plays"]
    refused = ask("/predict", {"pairs": [{"user_id": 13, "movie_id": 13}]})
    assert refused.status_code == 409 and "can't predict ratings" in refused.json()["error"]
    refused = ask("/fold_in", {"ratings": [{"movie_id": 13, "rating": 5}]})
    assert refused.status_code == 422 and "Leave out `rating`" in refused.json()["error"]
