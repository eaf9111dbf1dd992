"""The tutorial is correct: its commands and Python blocks run in order, with the results that it shows."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from matinee.cli.main import main

sys.path.insert(0, str(Path(__file__).parents[2] / "deploy"))
from docs_markdown import blocks

TUTORIAL = Path(__file__).parents[2] / "docs/tutorial.md"


@pytest.mark.slow
def test_the_tutorial_runs(
    prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    gates, promised = [], []
    for block in blocks(TUTORIAL.read_text("utf-8")):
        if block.language == "python":
            exec(block.code, names)
        elif block.language == "bash":
            for words in map(shlex.split, block.code.replace("\\\n", " ").splitlines()):
                if words[0] == "matinee" and words[1] != "--version":
                    assert main(words[1:]) == 0, words
                    gates += re.findall(r"^gate +(\w+: RMSE [\d.]+)", capsys.readouterr().out, re.MULTILINE)
        promised += re.findall(r"^gate +(\w+: RMSE [\d.]+)", block.code, re.MULTILINE)
    assert gates == [promised[0], promised[0], promised[1]]
    assert list(tmp_path.joinpath("store/releases").iterdir()) == [tmp_path / "store/releases/v0001"]
