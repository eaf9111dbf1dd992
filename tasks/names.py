"""Names of runs in the UI: they show data and model."""

import logging
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run, task_run
from pydantic import BaseModel

from matinee.errors import ConfigError, MatineeError
from matinee.registry import Registry
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.settings.presets import PRESETS
from matinee.store.database_address import short_source
from matinee.tasks.store_login import load_credentials

log = logging.getLogger("matinee.run")

# Uninformative file names: the folder's name is used instead.
_PLAIN: Final = ("ratings", "combined_data", "train", "mv_", "data")


_NOT_OF_A_PRESET: Final = {"device", "threads", "ranks", "seed", "refit", "trace_every"}


def data_name(ratings: list[str]) -> str:
    """The name of the data: the file, or its folder if the file name is generic."""
    path = Path(short_source(ratings[0]))
    plain = path.stem.startswith(_PLAIN) or "*" in path.name
    name = (path.parent.name if plain else path.stem) or path.name
    return name if len(ratings) == 1 else f"{name} +{len(ratings) - 1}"


def model_name(settings: Settings) -> str:
    """The model and the preset whose settings these are; the model alone if no preset has them."""
    try:
        fit = _fit_of(settings)
    except ConfigError:  # the flow refuses these settings, with the reason
        return settings.model.name
    presets = (name for name in PRESETS if _fit_of(read_settings(preset=name)) == fit)
    return f"{settings.model.name} {next(presets, '')}".rstrip()


def _fit_of(settings: Settings) -> tuple[object, object]:
    """What decides how good a fit is: neither where it runs nor the seed."""
    whole = settings.spelled_out()
    return whole.model, whole.train.model_dump(exclude=_NOT_OF_A_PRESET)


def short_count(rows: int) -> str:
    """100,480,507 as 100.5M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if rows >= size:
            return f"{rows / size:.1f}{unit}"
    return str(rows)


def name_retrain() -> str:
    """The name of a retrain run before its rows are counted."""
    return _retrain_name(None)


def add_rows_to_name(rows: int) -> None:
    """Add the number of ratings to the run's name, after ingest."""
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, name=_retrain_name(rows))
    except Exception as error:  # noqa: BLE001 - the name is cosmetic: no run may fail because of it
        log.warning("The run could not be renamed (%s: %s).", type(error).__name__, error)


def name_recommend() -> str:
    """The name of a recommend run: release, number of users, list length."""
    parameters = flow_run.parameters
    top = f"top {parameters.get('top', 10)}"
    try:
        load_credentials(parameters.get("credentials_block"))
        folder = Registry.open(Path(parameters["store"])).champion_folder()
        users = pq.read_metadata(folder / "users.parquet").num_rows
    except (MatineeError, OSError):
        return f"recommend {top}"  # the step itself reports the error
    return f"recommend {folder.name} {users:,} users {top}"


def name_ingest() -> str:
    """The name of an ingest step's run."""
    return f"ingest {data_name(task_run.parameters['ratings'])}"


def name_train() -> str:
    """The name of a train step's run."""
    return f"train {model_name(task_run.parameters['settings'])}"


def name_tune() -> str:
    """The name of a run that searches for settings."""
    parameters = _RetrainParameters.model_validate(flow_run.parameters)
    return f"tune {data_name(parameters.ratings)} {model_name(parameters.settings or Settings())}"


class _RetrainParameters(BaseModel):
    """The parameters of a run that its name shows; a form in the UI may leave the settings out."""

    ratings: list[str]
    settings: Settings | None = None


def _retrain_name(rows: int | None) -> str:
    parameters = _RetrainParameters.model_validate(flow_run.parameters)
    count = [] if rows is None else [short_count(rows)]
    model = model_name(parameters.settings or Settings())
    return " ".join(["retrain", data_name(parameters.ratings), *count, model])
