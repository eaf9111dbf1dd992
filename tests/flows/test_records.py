"""The records of a run on the server: names, retries, pages in order, and the log."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from running import wait_until

pytestmark = pytest.mark.usefixtures("prefect_server")

PAGES = [
    "data",
    "training-progress",
    "training-progress",
    "learning-curve",
    "evaluation",
    "gate",
    "card",
    "release",
]
NAMES = [
    "ingest sample0",
    "progressive",
    "encode",
    "split",
    "train dot",
    "rank",
    "evaluate",
    "refit",
    "refit ranking",
    "publish",
]


@pytest.fixture(scope="module")
def records(
    sample: Path, tmp_path_factory: pytest.TempPathFactory, prefect_server: None
) -> Iterator[dict[str, Any]]:
    """The server's records of a run whose training fails once, by an I/O error at its second checkpoint."""
    from matinee.flows.retrain import retrain
    from matinee.settings.parse import read_settings
    from matinee.train.ranks import checkpoints

    loads, saves = [], []
    save, load = checkpoints.save_checkpoint, checkpoints.load_checkpoint

    def failing_save(path: Path, *rest: Any) -> None:
        saves.append(path)
        if len(saves) == 2:
            raise OSError(5, "Input/output error", "planted")
        save(path, *rest)

    def watched_load(path: Path, model: Any) -> Any:
        loads.append(load(path, model))
        return loads[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "save_checkpoint", failing_save)
        patch.setattr(checkpoints, "load_checkpoint", watched_load)
        patch.setattr("matinee.tasks.train.train.retry_delay_seconds", [0.1, 0.1, 0.1])
        state = retrain(
            ratings=[str(sample / "ratings.csv")],
            titles=str(sample / "movie_titles.csv"),
            store=str(tmp_path_factory.mktemp("store")),
            settings=read_settings(assignments=["train.epochs=200", "train.patience=0", "train.seed=9"]),
            return_state=True,
        )
    run = str(state.state_details.flow_run_id)
    _wait_for_log(run)
    yield {"loads": loads, "run": _ask(f"flow_runs/{run}"), **_records_of(run)}


def _records_of(run: str) -> dict[str, Any]:
    of_run = {"flow_runs": {"id": {"any_": [run]}}}
    return {
        "tasks": _ask("task_runs/filter", {**of_run, "sort": "EXPECTED_START_TIME_ASC"}),
        "pages": _ask("artifacts/filter", {**of_run, "sort": "CREATED_DESC"}),
        "log": _log_of(run),
    }


def _log_of(run: str) -> list[dict[str, Any]]:
    query = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
    lines: list[dict[str, Any]] = _ask("logs/filter", query)
    return lines


def _wait_for_log(run: str) -> None:
    """Wait for the log lines, which are sent in batches every few seconds."""
    wait_until(lambda: any("is the champion" in line["message"] for line in _log_of(run)), 120)


def _ask(path: str, body: dict[str, Any] | None = None) -> Any:
    from prefect.settings import get_current_settings

    url = f"{get_current_settings().api.url}/{path}"
    answer = httpx.get(url) if body is None else httpx.post(url, json=body)
    return answer.raise_for_status().json()


def test_run_names_have_data_rows_and_model(records: dict[str, Any]) -> None:
    assert records["run"]["name"] == "retrain sample0 40.0k dot"
    assert [task["name"] for task in records["tasks"]] == NAMES


def test_training_is_retried_from_its_checkpoint_after_an_io_error(records: dict[str, Any]) -> None:
    counts = {task["name"]: task["run_count"] for task in records["tasks"]}
    assert counts.pop("train dot") == 2
    assert set(counts.values()) == {1}
    first, second = records["loads"][:2]
    assert first is None
    assert second is not None


def test_pages_are_created_in_order(records: dict[str, Any]) -> None:
    pages = [page for page in reversed(records["pages"]) if page["key"]]
    # The failed attempt has a separate progress. A slow step adds one, whatever its name.
    keys = [page["key"] for page in pages if page["key"] in PAGES or not page["key"].endswith("-progress")]
    assert sorted(set(keys), key=keys.index) == sorted(set(PAGES), key=PAGES.index)
    assert all(
        page["data"] == 100
        for page in pages
        if page["key"] == "training-progress" and "refit" in page["description"]
    )
    texts = {page["key"]: page["data"] for page in pages}
    assert "data:image/png;base64," in texts["learning-curve"]
    assert "bias-only" in texts["evaluation"]
    assert "Gate: promoted" in texts["gate"]
    code = re.search(r"```python\n(.*?)```", texts["release"], re.DOTALL)
    assert code is not None
    exec(code[1], {"user_id": 1})  # the commands on the page work


def test_the_log_has_each_step_and_result(records: dict[str, Any]) -> None:
    lines = [line["message"] for line in records["log"] if line["name"].startswith("matinee")]
    assert 15 <= len(lines) <= 32
    assert lines[0].startswith("ingest: reading the files")
    assert "v0001 is the champion" in lines[-1]
