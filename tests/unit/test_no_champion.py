"""Every verb that needs the champion ends alike without one: exit status 1 in a store, 2 in another folder."""

import json
from pathlib import Path

import pytest

from matinee.cli.main import main
from matinee.store import Store

VERBS = [
    ["predict", "--pairs", "pairs.csv", "--out", "out.csv"],
    ["evaluate", "--test", "ratings.csv"],
    ["recommend", "--user", "1"],
    ["recommend", "--all", "--out", "lists.parquet"],
    ["similar", "--movie", "1"],
    ["explain", "--user", "1", "--movie", "1"],
    ["show"],
    ["compare", "champion", "v0001"],
    ["report", "champion"],
    ["export", "champion", "--out", "onnx"],
    ["rollback"],
    ["serve", "--port", "0"],
]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_without_a_champion_every_verb_fails_alike(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ratings.csv").write_text("userID,movieID,rating\n1,1,5\n")
    Store.open(tmp_path / "store")
    assert main([*words, "--store", "store", "--json"]) == 1
    failed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (failed["kind"], "no champion yet" in failed["error"]) == ("ReleaseError", True)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("dear")
    assert main([*words, "--store", "letters"]) == 2
    assert "letters is not a Matinee store" in capsys.readouterr().err
