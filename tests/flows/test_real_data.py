"""All steps on real ratings, if available: no row is lost, titles are exact, and the model is better than bias-only."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from calls import Answer

from matinee.cli.main import main

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("prefect_server")]


def test_netflix_files_end_in_a_good_release(real_data: Path, tmp_path: Path, answer_of: Answer) -> None:
    files = real_data / "netflix"
    titles = files / "movie_titles.csv"
    inputs = [
        "--ratings",
        str(files / "train.csv"),
        "--test",
        str(files / "test.csv"),
        "--titles",
        str(titles),
        "--set",
        "evaluate.temporal=false",
        "--set",
        "evaluate.ranking_users=5000",
    ]
    said = answer_of("retrain", *inputs, "--store", str(tmp_path))
    assert said["rows"] == {"read": 628_451, "accepted": 628_451, "rejected": 0}
    assert said["metrics"]["rows"] == 100_478
    assert said["metrics"]["rmse"] < 0.9200 < said["metrics"]["bias_only_rmse"]

    table = pl.read_parquet(tmp_path / said["folders"]["ingest"] / "titles.parquet")
    lines = [line.split(",", 2) for line in titles.read_bytes().decode("iso-8859-1").splitlines()]
    expected = sorted((int(number), title) for number, _, title in lines)
    assert list(zip(table["movie_id"], table["title"], strict=True)) == expected
    assert len(expected) == 17_770
    assert "Smokey Joe's Café" in " ".join(table["title"])
    assert table["year"].null_count() == 7

    pairs = tmp_path / "pairs.csv"
    pairs.write_text("note,movieID,userID\na,8,1\nb,99999999,2442\nc,8,387418\n")
    call = ["predict", "--store", str(tmp_path), "--pairs", str(pairs), "--out", f"{tmp_path}.csv"]
    assert main(call) == 0
    out = pl.read_csv(f"{tmp_path}.csv")
    assert out.columns == ["note", "movieID", "userID", "prediction"]
    assert out["note"].to_list() == ["a", "b", "c"]
    assert out["prediction"].is_between(1, 5).all()


def test_ml_100k_u1_ends_in_a_good_release(real_data: Path, tmp_path: Path, answer_of: Answer) -> None:
    files = real_data / "ml-100k"
    inputs = ["--ratings", str(files / "u1_base.csv"), "--test", str(files / "u1_test.csv")]
    titles = ["--titles", str(files / "u.item")]
    said = answer_of("retrain", *inputs, *titles, "--store", str(tmp_path))
    assert said["rows"]["accepted"] == 100_000
    assert said["metrics"]["rmse"] < 0.9300 < said["metrics"]["bias_only_rmse"]
    _check_order(said["metrics"]["ranking"])


@pytest.mark.slow
def test_ml_100k_ranks_better_than_popularity(real_data: Path, tmp_path: Path, answer_of: Answer) -> None:
    files = real_data / "ml-100k"
    inputs = ["--ratings", str(files / "ratings.csv"), "--titles", str(files / "u.item")]
    said = answer_of("retrain", *inputs, "--store", str(tmp_path))
    _check_order(said["metrics"]["ranking"])


def _check_order(ranking: dict[str, Any]) -> None:
    """On held-out ratings of 4 and more, the lists of `recommend` are better than popularity."""
    assert ranking["relevant_from"] == 4
    for figure in ("ndcg_at_10", "recall_at_10", "mrr"):
        assert ranking["recommend"][figure] > ranking["popularity"][figure]
