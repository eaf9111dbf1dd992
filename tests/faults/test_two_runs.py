"""Two runs at once on one store: both succeed, the store has one champion, and its log has both."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from calls import retrain_words

from matinee.registry import Registry
from matinee.release import verify


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    "others",
    [
        ["train.seed=1"],  # the same data and split, another candidate
        ["split.seed=7", "model.name=linear"],  # another split too
    ],
)
def test_two_runs_at_once_both_succeed(others: list[str], sample: Path, tmp_path: Path) -> None:
    first, second = _finish([_start(sample, tmp_path, more) for more in ([], others)])
    registry = Registry.open(tmp_path)
    published = [each["release"] for each in (first, second) if each["promoted"]]
    assert registry.versions() == sorted(published)
    assert len(set(published)) == len(published) > 0
    assert registry.champion() in published
    for version in published:
        verify(registry.folder(version))
    told = [(each.action, each.version) for each in registry.log()]
    assert sorted(told) == sorted(
        ("publish", each["release"]) if each["promoted"] else ("hold", None) for each in (first, second)
    )
    assert told[-1] == ("publish", registry.champion()) or told[-1][0] == "hold"
    assert not list(tmp_path.rglob("*.partial"))


def _start(sample: Path, store: Path, more: list[str]) -> "subprocess.Popen[str]":
    from prefect.settings import get_current_settings

    words = retrain_words(sample, store, *more)
    environment = {**os.environ, "PREFECT_API_URL": str(get_current_settings().api.url)}
    return subprocess.Popen(
        [sys.executable, "-m", "matinee.cli", *words, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=store.with_name(f"{store.name}-{len(more)}.log").open("w"),
        text=True,
    )


def _finish(processes: list["subprocess.Popen[str]"]) -> list[dict[str, Any]]:
    said = []
    for process in processes:
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
        said.append(json.loads(out.splitlines()[-1]))
    return said
