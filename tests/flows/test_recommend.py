"""`matinee recommend` and `matinee similar`: their files and their output."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from calls import Answer

import matinee
from matinee.cli.main import main


def test_recommend_all_runs_as_a_flow(
    random_release: Callable[..., Path],
    tmp_path: Path,
    prefect_server: None,
    answer_of: Answer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = random_release(ranked=True), tmp_path / "out.parquet"
    call = ["recommend", "--store", str(folder.parents[1]), "--out", str(out), "--top", "3"]
    said = answer_of(*call, "--all")
    assert said["users"] == 50
    assert said["seconds"].keys() == {"recommend"}
    _check_page(out)
    everyone = pl.read_parquet(out)
    assert main([*call, "--user", "13", "23"]) == 0
    some = pl.read_parquet(out)
    assert _of_two(some).equals(_of_two(everyone))
    (allowed := tmp_path / "allowed.txt").write_text("movie_id\n3\n13\n23\n33\n")
    narrow = ["--only", str(allowed), "--exclude", "13", "--per-franchise", "1"]
    assert main([*call, *narrow, "--all"]) == 0
    everyone = pl.read_parquet(out)
    assert set(everyone["movie_id"]) == {3, 23, 33}
    assert main([*call, *narrow, "--user", "13", "23"]) == 0
    some = pl.read_parquet(out)
    assert _of_two(some).equals(_of_two(everyone))
    assert re.search(
        r"^   1 +-?[\d.]+ +(3|23|33)  Movie .*?  Movie .* \(rated [\d.]+\)$",
        capsys.readouterr().out,
        re.MULTILINE,
    )


def _of_two(lists: pl.DataFrame) -> pl.DataFrame:
    """The lists of users 13 and 23 without scores, whose last bits differ."""
    return lists.filter(pl.col("user_id").is_in([13, 23])).drop("score", "expected_rating")


def _check_page(out: Path) -> None:
    """The records of the run on the server."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import ArtifactSort

    from matinee.publish.markdown import escape

    with get_client(sync_client=True) as client:
        run = max(client.read_flow_runs(), key=lambda each: each.created)
        assert run.name == "recommend v0001 50 users top 3"
        pages = client.read_artifacts(sort=ArtifactSort.CREATED_DESC)
    page = next(each for each in pages if each.key == "lists")
    assert page.flow_run_id == run.id
    assert escape(str(out)) in page.data
    first = pl.read_parquet(out).row(0, named=True)
    assert ", rated " in page.data  # the reasons
    assert f"| {first['user_id']} | 1 | {first['movie_id']} | {escape(first['title'])} | " in page.data


def test_recommend_without_users_names_the_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", "--store", str(tmp_path), "--out", "out.parquet"]) == 2
    assert "--all" in capsys.readouterr().err
    assert main(["recommend", "--store", str(tmp_path), "--out", "out.parquet", "--all"]) == 1
    assert "no champion yet" in capsys.readouterr().err


def test_similar_lists_titles(
    random_release: Callable[..., Path], answer_of: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = random_release()
    call = ["similar", "--store", str(folder.parents[1]), "--top", "2"]
    said = answer_of(*call, "--movie", "43")
    best = matinee.load(folder).similar(43, 2)
    assert said["similar"] == [
        {"movie_id": movie_id, "title": title, "score": score} for movie_id, title, score in best
    ]
    assert main([*call, "--movie", "43"]) == 0
    assert str(best[0].title) in capsys.readouterr().out
    assert main([*call, "--movie", "44"]) == 2
    assert "does not know movie 44" in capsys.readouterr().err


def test_lists_of_named_users_are_printed_without_a_file(
    random_release: Callable[..., Path], answer_of: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    store = random_release(ranked=True).parents[1]
    call = ["recommend", "--store", str(store)]
    said = answer_of(*call, "--top", "2", "--user", "13", "999999")
    expected = [movie.movie_id for movie in matinee.load(store).recommend(13, 2)]
    assert [movie["movie_id"] for movie in said["lists"][0]["movies"]] == expected
    assert (said["out"], said["unknown"]) == (None, 1)
    assert main([*call, "--all"]) == 2
    assert "--out lists.parquet" in capsys.readouterr().err
