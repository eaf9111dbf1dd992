"""A run at an MLflow server, and its release as a registered model. `make test-mlflow` installs a server for it."""

import contextlib
import os
import subprocess
import tomllib
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from calls import retrain_words
from running import free_port, wait_until

import matinee
from matinee.cli.main import main
from matinee.errors import ConfigError, StoreError
from matinee.pipeline.finished import find_finished
from matinee.pipeline.summary import Summary
from matinee.pipeline.tracking import mlflow_log
from matinee.pipeline.tracking.mlflow_log import check_tracking, log_to_mlflow
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.tasks.track import track_run

SERVER = os.environ.get("MATINEE_MLFLOW_SERVER", "")  # the command `mlflow` of an environment of its own


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=1):
        return True
    return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server on SQLite."""
    folder, address = tmp_path_factory.mktemp("mlflow"), f"http://127.0.0.1:{free_port()}"
    command = [
        SERVER,
        "server",
        "--backend-store-uri",
        "sqlite:///runs.db",
        "--artifacts-destination",
        "artifacts",
    ]
    command += ["--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(f"{address}/health"))
        yield address
    finally:
        running.terminate()
        running.wait()


def _retrain(sample: Path, store: Path, *chosen: str) -> Summary:
    sources, settings = (
        (sample / "ratings.csv", sample / "movie_titles.csv"),
        read_settings(assignments=chosen),
    )
    matinee.retrain(*sources, store, settings=settings)
    found = find_finished([str(sources[0])], str(sources[1]), store, test=[], settings=settings)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.skipif(not SERVER, reason="no MLflow server: run `make test-mlflow`")
def test_a_run_is_logged_once_and_its_release_answers_as_a_model(
    sample: Path, tmp_path: Path, server: str
) -> None:
    import mlflow
    import pandas as pd

    store = tmp_path / "store"
    published = _retrain(sample, store, "train.epochs=3")
    held = _retrain(sample, store, "train.epochs=1", "train.learning_rate=0.0001")
    runs = [log_to_mlflow(Store(store), each, address=server) for each in (published, held, published, held)]
    assert runs[:2] == runs[2:]

    client = mlflow.MlflowClient(server)
    run, other = (client.get_run(each) for each in runs[:2])
    assert run.data.params["train.epochs"] == "3"
    assert run.data.metrics["rmse"] == pytest.approx(published.metrics.flat()["rmse"])
    assert [point.step for point in client.get_metric_history(runs[0], "fit_valid_rmse")] == [1, 2, 3]
    assert "plots/calibration.png" in {file.path for file in client.list_artifacts(runs[0], "plots")}
    assert (run.info.run_name, other.info.run_name) == ("v0001", "held")
    assert len(client.search_model_versions("name = 'matinee'")) == 1

    needed = Path(mlflow.artifacts.download_artifacts("models:/matinee@champion/requirements.txt")).read_text(
        "utf-8"
    )
    assert {*mlflow_log.requirements()} <= {*needed.split()}

    release, model = matinee.load(store), mlflow.pyfunc.load_model("models:/matinee@champion")
    pairs = pd.DataFrame({"user_id": release.users.ids[:20], "movie_id": release.movies.ids[:20]})
    rated = model.predict(pairs)["rating"].to_numpy()
    np.testing.assert_array_equal(rated, release.predict(pairs["user_id"], pairs["movie_id"]))
    lists = model.predict(pairs[["user_id"]].head(2), params={"top": 5})
    expected = [each.movie_id for user in release.users.ids[:2] for each in release.recommend(int(user), 5)]
    assert lists["movie_id"].tolist() == expected

    with pytest.raises(StoreError, match="was not logged"):
        log_to_mlflow(Store(store), published, address=f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("mlruns", "is not the address"),
        ("http://", "is not the address"),
        ("ftp://host/", "is not the address"),
        ("http://ann:secret@host:5000", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_a_wrong_address_is_refused_before_training(address: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault) as found:
        check_tracking(address)
    assert "secret" not in str(found.value)


def test_the_command_line_refuses_a_wrong_address_before_prefect_starts(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "matinee.cli.retrain_verb.start_server", lambda **_: pytest.fail("Prefect was started")
    )
    assert main([*retrain_words(sample, tmp_path / "store"), "--mlflow", "mlruns"]) == 2
    assert "is not the address of an MLflow server" in capsys.readouterr().err


def test_a_run_does_not_fail_because_it_could_not_be_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: object) -> str:
        raise ValueError("of a library")

    monkeypatch.setattr("matinee.tasks.track.track", fail)
    track_run("store", Summary.model_construct(), mlflow="http://127.0.0.1:5000")
    assert "The run was not logged (ValueError: of a library). The run is complete" in caplog.text


def test_the_model_names_the_versions_of_all_that_a_release_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_log, "version", lambda name: "3.0.1" if name == "pandas" else version(name))
    found = dict(each.split("==") for each in mlflow_log.requirements())
    base = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"][
        "dependencies"
    ]
    assert found.keys() == {"matinee", "pandas", *(each.partition(">=")[0] for each in base)}
    assert (found["numpy"], found["pandas"]) == (np.__version__, "3.0.1")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.pipeline.tracking.mlflow_log.find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=r"pip install 'matinee\[mlflow\]'"):
        check_tracking("http://127.0.0.1:5000")
