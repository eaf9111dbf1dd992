"""The settings of a fit: one class per model and one per kind of method, with every value known.

A person writes `ModelSettings` and `TrainSettings`. They hold the settings of all models and methods, and None stands
for the recipe's value. A fit takes the classes below, which hold only settings that it uses.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeVar

from matinee.errors import ConfigError
from matinee.formats.manifests import ModelName
from matinee.settings.device import DeviceName
from matinee.settings.ingest import Section
from matinee.settings.presets import MethodName, Value

MOST_RANKS: Final = 32  # processes of one fit


class DotModel(Section):
    """Biases and a dot product."""

    name: Literal["dot"] = "dot"
    embedding_size: int
    biases: bool


class LinearModel(Section):
    """Two embeddings through one linear layer."""

    name: Literal["linear"] = "linear"
    embedding_size: int


class MlpModel(Section):
    """Two embeddings through a hidden layer."""

    name: Literal["mlp"] = "mlp"
    embedding_size: int
    hidden_size: int
    dropout: float


class NeumfModel(Section):
    """A dot product and a hidden layer, joined by a last layer."""

    name: Literal["neumf"] = "neumf"
    embedding_size: int
    hidden_size: int
    dropout: float


class Training(Section):
    """The settings of every method."""

    device: DeviceName
    threads: int
    ranks: int = 1
    time: Literal["auto", "on", "off"] = "auto"
    titles: Literal["auto", "on", "off"] = "auto"
    seed: int
    refit: Literal["none", "train_valid", "all"]


class GradientTraining(Training):
    """Gradient steps, epoch by epoch, until the valid RMSE stops falling."""

    method: Literal["sgd", "adagrad", "adam"]
    epochs: int
    learning_rate: float
    lr_step: int
    lr_gamma: float
    batch_size: int
    weight_decay: float
    patience: int
    trace_every: int = 0  # 0: ten points per epoch


class SamplerTraining(Training):
    """Chains of a Gibbs sampler; every sweep runs."""

    method: Literal["gibbs"] = "gibbs"
    sampler_rank: int
    chains: int
    sweeps: int
    burn_in: int


AnyModel = DotModel | LinearModel | MlpModel | NeumfModel
AnyTraining = GradientTraining | SamplerTraining
MODELS: Final[Mapping[ModelName, type[AnyModel]]] = {
    "dot": DotModel,
    "linear": LinearModel,
    "mlp": MlpModel,
    "neumf": NeumfModel,
}
TRAININGS: Final[Mapping[MethodName, type[AnyTraining]]] = {
    "sgd": GradientTraining,
    "adagrad": GradientTraining,
    "adam": GradientTraining,
    "gibbs": SamplerTraining,
}
_TORCH = "a step of torch updates users and movies of all ranks, so each rank would need all tables"
# Why a method runs in one process.
_ONE_PROCESS: Final = {
    "gibbs": "the sampler draws a movie's vector from sums over all users, which only one process has",
    "adagrad": _TORCH,
    "adam": _TORCH,
}
_Kind = TypeVar("_Kind", AnyModel, AnyTraining)


def fill(section: Section, kind: type[_Kind], recipe: Mapping[str, Value]) -> _Kind:
    """Convert a section to the class that a fit uses, with the recipe's value in place of each None."""
    written = {name: value for name, value in section if value is not None}
    known = {name: value for name, value in {**recipe, **written}.items() if name in kind.model_fields}
    return kind.model_validate(known)


def find_unused(section: Section, kind: type[_Kind]) -> list[str]:
    """Names of the settings that differ from their default and that the class does not have.

    Prefect's form and the file of a release hold every setting, so a setting at its default counts as not chosen.
    """
    defaults = type(section).model_fields
    return [
        name
        for name, value in section
        if name not in kind.model_fields and value is not None and value != defaults[name].default
    ]


def explain_unused(name: str, *, model: ModelName, method: MethodName) -> str:
    """The error text for a setting that the model or the method does not use."""
    section, _, field = name.partition(".")
    if section == "model":
        there = f"model.name={model}"
        users = [str(other) for other, kind in MODELS.items() if field in kind.model_fields]
    else:
        there = f"train.method={method} (model.name={model})"
        users = [str(other) for other, kind in TRAININGS.items() if field in kind.model_fields]
    alone = model != "dot" and users == ["gibbs"]  # gibbs fits no other model
    change = "" if alone else f", or set {there.partition('=')[0]}={users[0]}"
    return f"Setting {name} has no effect with {there}; it is for {', '.join(users)}. Leave it out{change}."


def check_pair(model: AnyModel, training: AnyTraining) -> None:
    """Raise ConfigError if the method cannot fit the model."""
    if training.method in ("sgd", "gibbs") and model.name != "dot":
        raise ConfigError(
            f"train.method={training.method} fits only the dot model, and model.name is {model.name}. "
            "Leave train.method out, or set it to adagrad or adam."
        )
    if training.time == "on" and not (isinstance(model, DotModel) and model.biases):
        raise ConfigError(
            f"train.time=on adds to the users' biases of the dot model, and model.name={model.name} has none here. "
            "Leave train.time out, or set model.name=dot and model.biases=true."
        )
    if training.ranks > 1 and training.method != "sgd":
        raise ConfigError(
            f"train.ranks={training.ranks} is for train.method=sgd, and the method is {training.method}: "
            f"{_ONE_PROCESS[training.method]}. Set train.ranks=1."
        )
    if isinstance(training, SamplerTraining):
        if isinstance(model, DotModel) and not model.biases:
            raise ConfigError(
                "model.biases=false has no effect with train.method=gibbs, which always has biases. Set "
                "train.method=sgd."
            )
        if training.burn_in >= training.sweeps:
            raise ConfigError(
                f"train.burn_in is {training.burn_in} and train.sweeps is {training.sweeps}, so no sweep is left for "
                "the mean. Set train.sweeps above train.burn_in."
            )
