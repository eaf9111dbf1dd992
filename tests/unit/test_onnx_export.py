"""ONNX models of a release answer as the release does."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import matinee
from matinee.cli.main import main
from matinee.errors import ConfigError
from matinee.publish.onnx_export import export_onnx
from matinee.release import Release
from matinee.release.idmap import IdMap
from matinee.release.rating_levels import to_ratings
from matinee.schemas.text_ids import numbers_of_column


def _as_text(known: IdMap) -> IdMap:
    texts = pa.array([f"tt{key:07}" for key in known.keys], pa.large_string())
    numbers = numbers_of_column(texts)
    order = np.argsort(numbers)
    return IdMap(numbers[order], texts.take(order))


def _ask(folder: Path, name: str, **inputs: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    session = onnxruntime.InferenceSession(folder / name)
    return session.run(None, inputs)


def _with_text_ids(release: Release) -> Release:
    users, movies = _as_text(release.users), _as_text(release.movies)
    return replace(release, users=users, movies=movies, catalog=replace(release.catalog, movies=movies))


@pytest.mark.parametrize("text", [False, True])
def test_the_models_answer_as_the_release_does(
    random_release: Callable[..., Path], tmp_path: Path, text: bool
) -> None:
    release = matinee.load(random_release(ranked=True))
    release = _with_text_ids(release) if text else release
    kind = object if text else np.int64
    strange = np.array(["nobody"] if text else [10**12], kind)
    export_onnx(release, tmp_path / "onnx")

    users = np.concatenate([release.users.ids[np.arange(200) % 50], strange, strange]).astype(kind)
    movies = np.concatenate([release.movies.ids[np.arange(200) % 40], strange, release.movies.ids[:1]])
    (ratings,) = _ask(tmp_path / "onnx", "ratings.onnx", user_id=users, movie_id=movies.astype(kind))
    np.testing.assert_allclose(ratings, release.predict(users, movies), atol=1e-5)

    for user in (*release.users.ids, strange[0]):
        code = int(release.users.find([user], "user")[0])
        rated = np.concatenate([release.movies.ids[release.catalog.seen(code)], strange]).astype(kind)
        stars = np.append(to_ratings(release.catalog.levels(code), release.scale), np.float32(5))
        for n in (3, 1000):
            listed, scores = _ask(
                tmp_path / "onnx", "lists.onnx", movie_id=rated, rating=stars, n=np.array(n)
            )
            expected = release.recommend(user, n)
            assert listed.tolist() == [each.movie_id for each in expected]
            np.testing.assert_allclose(scores, [each.score for each in expected], atol=1e-5)


def test_the_verb_writes_both_files_and_other_models_are_refused(
    random_release: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = random_release(ranked=True)
    store, out = folder.parents[1], tmp_path / "out"
    assert main(["export", "v0001", "--store", str(store), "--out", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts == {"release": "v0001", "files": [str(out / "ratings.onnx"), str(out / "lists.onnx")]}
    assert main(["export", "v0001", "--store", str(store), "--out", str(store / "onnx")]) == 2
    assert "inside the store" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no ranking model"):
        export_onnx(matinee.load(_linear(random_release, folder)), out)


def _linear(random_release: Callable[..., Path], folder: Path) -> Path:
    folder.rename(folder.with_name("v0000"))
    return random_release(model="linear")
