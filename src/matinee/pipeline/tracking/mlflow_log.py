"""Logs a run to an MLflow server: settings, figures, learning curve, plots, and the release as a registered model."""

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from matinee.errors import ConfigError, StoreError
from matinee.errors.text import shown
from matinee.formats.history import History
from matinee.formats.manifests import EvaluationManifest
from matinee.formats.steps import Step
from matinee.formats.written_settings import by_full_name
from matinee.pipeline.summary import Summary
from matinee.release import load
from matinee.release.answers import Release
from matinee.store import Store
from matinee.store.documents import read_as

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunInfo
    from mlflow.models import ModelSignature

_Entry = TypeVar("_Entry")

_NAME: Final = "matinee"  # of the experiment, and of the registered model
_CHAMPION: Final = "champion"  # the alias of the version that is the champion
_EVALUATION: Final = "matinee.evaluation"  # tags of a run
_RELEASE: Final = "matinee.release"
# What mlflow_model.py needs: the base installation, and the tables of MLflow. MLflow adds itself.
_NEEDED: Final = ("matinee", "numpy", "pandas", "pyarrow", "pydantic", "safetensors")
# MLflow's own defaults wait for a silent server for a quarter of an hour, and print to stdout, where --json belongs.
_MLFLOW_DEFAULTS: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
# What the server accepts at once.
_MOST_PARAM_CHARACTERS: Final = 6_000
_MOST_METRICS: Final = 1_000
_MOST_PARAMS: Final = 100


def check_tracking(address: str | None) -> None:
    """Check the address of an MLflow server and the packages, before hours of training.

    Raises:
        ConfigError: It is not an address, it has a password, which Prefect would store, or a package is missing.
    """
    if address is None:
        return
    try:
        parts = urlsplit(address)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if "@" in address:
        raise ConfigError(
            "The address of the MLflow server contains a name or a password, which Prefect would store. Remove them, "
            "and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    if not is_whole:
        raise ConfigError(
            f"{shown(repr(address), 80)} is not the address of an MLflow server; expected one such as "
            "http://127.0.0.1:5000."
        )
    for package in ("mlflow", "pandas"):
        if find_spec(package) is None:
            raise ConfigError(
                f"Logging to MLflow needs the package {package}. Install it with: pip install 'matinee[mlflow]'"
            )


def log_to_mlflow(store: Store, summary: Summary, *, address: str) -> str:
    """Log a finished run to a server, unless it is logged there already.

    The experiment is the one that MLFLOW_EXPERIMENT_NAME names, else `matinee`. The registered model is called
    `matinee`, and its alias `champion` is moved to the new version.

    Args:
        store: The store of the run.
        summary: The result of the run.
        address: The server, such as http://127.0.0.1:5000. Name and password come from MLFLOW_TRACKING_USERNAME and
            MLFLOW_TRACKING_PASSWORD.

    Returns:
        The id of the run at the server.

    Raises:
        StoreError: The server does not answer, or refuses the run.
    """
    for name, value in _MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: PLC0415 - an extra
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        mlflow.set_tracking_uri(address)
        experiment = mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or _NAME)
        client = mlflow.MlflowClient(address)
        tags = _tags(store, summary)
        if known := _find(client, experiment.experiment_id, tags):
            return known
        with mlflow.start_run(run_name=summary.release or "held", tags=tags) as run:
            _log_figures(client, run.info, store, summary)
            if summary.location is not None:
                _register(client, Path(summary.location), summary)
        return str(run.info.run_id)
    except (MlflowException, OSError) as error:
        raise StoreError(
            f"The run was not logged to the MLflow server at {shown(address)}: {shown(str(error), 300)}"
        ) from error


def _folder(store: Store, summary: Summary, step: Step) -> Path:
    kind, digest = summary.folders[step].split("/")
    return store.folder(kind, digest)


def _tags(store: Store, summary: Summary) -> dict[str, str]:
    return {
        _EVALUATION: _folder(store, summary, Step.EVALUATE).name,
        _RELEASE: summary.release or "",
        "matinee.reason": summary.reason[:4_000],
    }


def _find(client: "MlflowClient", experiment: str, tags: Mapping[str, str]) -> str | None:
    """The id of the finished run with the same evaluation and release."""
    clauses = [f"tags.`{name}` = '{tags[name]}'" for name in (_EVALUATION, _RELEASE)]
    runs = client.search_runs(
        [experiment], " and ".join([*clauses, "attributes.status = 'FINISHED'"]), max_results=1
    )
    return str(runs[0].info.run_id) if runs else None


def _log_figures(client: "MlflowClient", run: "RunInfo", store: Store, summary: Summary) -> None:
    from mlflow.entities import Metric, Param  # noqa: PLC0415 - an extra

    folder, at = _folder(store, summary, Step.EVALUATE), run.start_time
    settings = store.read(EvaluationManifest, folder.name).settings
    params = [
        Param(name, str(value)[:_MOST_PARAM_CHARACTERS])
        for name, value in by_full_name(settings).items()
        if value is not None
    ]
    figures = {
        **summary.metrics.flat(),
        **{f"rows_{name}": count for name, count in summary.rows.items()},
        **{f"seconds_{name}".replace(" ", "_"): spent for name, spent in summary.seconds.items()},
    }
    metrics = [
        Metric(name, float(value), at, 0) for name, value in figures.items() if isinstance(value, int | float)
    ]
    for some_metrics in _in_parts([*metrics, *_learning_curve(store, summary, at=at)], _MOST_METRICS):
        client.log_batch(run.run_id, metrics=some_metrics)
    for some_params in _in_parts(params, _MOST_PARAMS):
        client.log_batch(run.run_id, params=some_params)
    if (folder / "plots").exists():
        client.log_artifacts(run.run_id, str(folder / "plots"), "plots")


def _in_parts(entries: list[_Entry], size: int) -> Iterator[list[_Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _learning_curve(store: Store, summary: Summary, *, at: int) -> Iterator["Metric"]:
    """The errors after each epoch; none of plays. MLflow shows them by epoch, so all have the time of the run."""
    from mlflow.entities import Metric  # noqa: PLC0415 - an extra

    if Step.TRAIN not in summary.folders:
        return
    points = read_as(_folder(store, summary, Step.TRAIN) / History.NAME, History).points
    last = {(point.stage, point.epoch): point for point in points}  # of each epoch
    for point in last.values():
        for name in ("train_rmse", "valid_rmse"):
            value = getattr(point, name)
            if value is not None:
                yield Metric(f"{point.stage}_{name}", float(value), at, point.epoch)


def _register(client: "MlflowClient", folder: Path, summary: Summary) -> None:
    """Upload the release as a model, and make it a version of the registered model."""
    import mlflow.pyfunc  # noqa: PLC0415 - an extra

    logged = mlflow.pyfunc.log_model(
        name="release",
        python_model=str(Path(__file__).with_name("mlflow_model.py")),
        artifacts={"release": str(folder)},
        signature=_signature(load(folder)),
        pip_requirements=requirements(),
        registered_model_name=_NAME,
    )
    number = logged.registered_model_version
    client.set_model_version_tag(_NAME, number, _RELEASE, summary.release)
    client.set_registered_model_alias(_NAME, _CHAMPION, number)


def requirements() -> list[str]:
    """What a program needs to answer with the model, in the versions that have made and checked it here."""
    return [f"{name}=={version(name)}" for name in _NEEDED]


def _signature(release: Release) -> "ModelSignature":
    from mlflow.models import ModelSignature  # noqa: PLC0415 - an extra
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema  # noqa: PLC0415

    def kind(is_text: bool) -> DataType:
        return DataType.string if is_text else DataType.long

    return ModelSignature(
        inputs=Schema(
            [
                ColSpec(kind(release.users.texts is not None), "user_id"),
                ColSpec(kind(release.movies.texts is not None), "movie_id", required=False),
            ]
        ),
        params=ParamSchema([ParamSpec("top", DataType.long, 10)]),
    )
