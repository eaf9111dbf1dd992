"""A wrong call or a wrong file at the terminal: one paragraph, the exit status, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from calls import Answer

from matinee.cli.main import main

GOOD = "userID,movieID,rating\n" + "".join(
    f"{user},{movie},{1 + (user + movie) % 5}\n" for user in range(40) for movie in range(20)
)
TITLES = "1,2003,Dinosaur Planet\n2,NULL,Ten, Nine, Eight\n"
NINES = "userID,movieID,rating\n" + "".join(
    f"{user},{movie},{9 if user % 2 else 3}\n" for user in range(40) for movie in range(20)
)


def _run(
    folder: Path, ratings: str | bytes | None, *more: str, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    (folder / "titles.csv").write_text(TITLES)
    if ratings is not None:
        (folder / "ratings.csv").write_bytes(ratings if isinstance(ratings, bytes) else ratings.encode())
    call = ["ingest", "--ratings", str(folder / "ratings.csv"), "--titles", str(folder / "titles.csv")]
    status = main([*call, "--store", str(folder / "store"), *more])
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("ratings", "more", "status", "told"),
    [
        (None, [], 2, "ratings.csv"),
        ("", [], 3, "empty"),
        ("userID,movieID,rating\n", [], 3, "header"),
        ("a,b,c\n1,2,3\n", [], 3, "ingest.columns"),
        ("1,2003,Dinosaur Planet\n2,2004,Isle of Man TT 2004 Review\n", [], 3, "title"),
        (bytes(range(256)) * 40, [], 3, "ratings.csv"),
        (GOOD.replace(",5\n", ",five\n"), [], 3, "rating_not_a_number"),
        (NINES, ["--set", "ingest.scale=1-5"], 3, "rating_out_of_bounds"),
        (GOOD, ["--set", "train.epochs=-1"], 2, "train.epochs"),
        (GOOD, ["--set", "train.epoch=1"], 2, "train.epochs"),
        (GOOD, ["--set", "train.epochs=3"], 2, "only uses settings of ingest"),
        (GOOD, ["--unknown"], 2, "--unknown"),
    ],
)
def test_a_bad_input_is_reported_in_one_paragraph(
    ratings: str | bytes | None,
    more: list[str],
    status: int,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, err = _run(tmp_path, ratings, *more, capsys=capsys)
    assert found == status, err
    paragraph = err.splitlines()[-1]
    assert paragraph.startswith("matinee: ")
    assert told in paragraph
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(tmp_path.glob("store/datasets/*"))


def test_a_store_that_is_a_file_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store").write_text("a file")
    status, err = _run(tmp_path, GOOD, capsys=capsys)
    assert status == 2
    assert "is a file. Use a folder" in err


@pytest.mark.parametrize(
    "call",
    [
        ["retrian"],
        [],
        ["releases"],
        ["predict", "--store", "nowhere"],
        ["similar", "--store", ".", "--movie", ""],
        ["recommend", "--store", ".", "--out", "o", "--all", "--top", "0"],
        ["releases", "--sto", "."],
    ],
)
def test_a_wrong_call_exits_with_2(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(call) == 2
    assert "--help" in capsys.readouterr().err


def test_an_unknown_verb_has_a_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrian"]) == 2
    assert "the nearest is retrain" in capsys.readouterr().err


def test_failures_are_also_printed_as_json(tmp_path: Path, answer_of: Answer) -> None:
    said = answer_of("releases", "--store", str(tmp_path / "none"), status=2)
    assert said["kind"] == "ConfigError"
    assert "none" in said["error"]


def test_the_verbs_without_a_flow_never_import_prefect(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(GOOD)
    (tmp_path / "titles.csv").write_text(TITLES)
    code = (
        "import sys; from matinee.cli.main import main; "
        "status = main(['ingest', '--ratings', 'ratings.csv', '--titles', 'titles.csv', '--store', 'store']); "
        "sys.exit(status or 'prefect' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=os.environ)
