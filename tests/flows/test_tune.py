"""The flow that searches for settings: each fit is a task run whose name has its settings and its score."""

import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterName
from prefect.client.schemas.objects import TaskRun

from matinee.flows.tune import tune
from matinee.pipeline.tuning import decision, search
from matinee.settings.parse import read_settings

pytestmark = pytest.mark.usefixtures("prefect_server")


def _trials() -> list[TaskRun]:
    named = TaskRunFilter(name=TaskRunFilterName(like_="ratings "))
    with get_client(sync_client=True) as client:
        return client.read_task_runs(task_run_filter=named)


def test_each_fit_is_a_task_run_named_by_settings_and_score(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (search, decision):
        monkeypatch.setattr(module, "REPEATS", 1)
    before = {run.id for run in _trials()}
    found = tune(
        ratings=[str(sample / "ratings.csv")],
        titles=str(sample / "movie_titles.csv"),
        store=str(tmp_path / "store"),
        trials=3,
        goal="ratings",
        workers=2,
        out=str(tmp_path / "best.toml"),
        settings=read_settings(assignments=["train.threads=2"]),
    )
    assert [note.number for note in found.goals[0].trials] == [0, 1, 2]
    read_settings(file=tmp_path / "best.toml")
    scores = {note.number: f"{note.value:.4f}" for note in found.goals[0].trials if note.state == "complete"}
    deadline = time.monotonic() + 30
    while True:  # the server records the events of runs later
        names = [run.name for run in _trials() if run.id not in before]
        if sum(": " in name for name in names) == 3 + len(scores) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert f"ratings base settings: {scores[0]}" in names
    assert (
        sum(name.startswith(("ratings trial 1 (", "ratings trial 2 (")) and ": " in name for name in names)
        == 2
    )
    assert sum(", repeat 1" in name for name in names) == len(scores)
