"""Every setting of the pipeline, with its default, its bounds, what it does and when to change it.

The models below are the parameters of the flows, so the Prefect UI shows them as a form. A field that is None takes
its value from the recipe of the chosen model (`matinee.settings.presets`). `Settings.resolved` fills in these values
and drops settings that the chosen method does not use. Digests cover only resolved settings, so an explicit
default changes no digest.
"""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, JsonValue

from matinee.errors import ConfigError
from matinee.formats.manifests import ModelName
from matinee.formats.written_settings import by_full_name
from matinee.settings.device import DeviceName
from matinee.settings.evaluation import EvaluateSettings, GateSettings
from matinee.settings.ingest import IngestSettings, Section
from matinee.settings.outputs import RecommendSettings, ReleaseSettings
from matinee.settings.plays import explain_unused_by_plays, find_unused_by_plays, ignored_by_plays
from matinee.settings.presets import MethodName, recipe_of
from matinee.settings.ranking import RankSettings
from matinee.settings.split import SplitSettings
from matinee.settings.training import (
    MODELS,
    MOST_RANKS,
    TRAININGS,
    AnyModel,
    AnyTraining,
    check_pair,
    explain_unused,
    fill,
    find_unused,
)


class ModelSettings(Section):
    name: ModelName = Field(
        "dot",
        description="Model to train. dot is a matrix factorization with biases. linear, mlp and neumf are the "
        "models of the notebook that Matinee grew out of.",
    )
    embedding_size: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Length of each user's and each movie's vector. Longer vectors can fit finer differences and "
        "take more memory.",
    )
    biases: bool = Field(
        True,
        description="Whether each user and each movie has a bias (dot only). false is a plain matrix "
        "factorization.",
    )
    hidden_size: int | None = Field(
        None, ge=1, le=4096, description="Width of the hidden layer (mlp and neumf only)."
    )
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of hidden units that each training step drops (mlp and neumf only).",
    )


class TrainSettings(Section):
    method: MethodName | None = Field(
        None,
        description="Training algorithm. sgd is stochastic gradient descent, and gibbs is a Gibbs sampler. Both fit "
        "only the model dot. adagrad has one step size per row of an embedding table. adam takes a step for all "
        "weights with each batch.",
    )
    epochs: int | None = Field(
        None, ge=1, le=10_000, description="Maximum number of passes over the training rows."
    )
    learning_rate: float | None = Field(None, gt=0, le=10, description="Step size in the first epoch.")
    lr_step: int | None = Field(
        None, ge=1, description="Number of epochs between two cuts of the learning rate."
    )
    lr_gamma: float | None = Field(
        None, gt=0, le=1, description="Factor that each cut multiplies the learning rate by."
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        le=2**24,
        description="Number of rows per training step. sgd on a CPU ignores it. With sgd on a GPU, a "
        "step has at least a sixteenth of all training rows.",
    )
    weight_decay: float | None = Field(
        None,
        ge=0,
        le=10,
        description="Strength of the L2 regularization. In each step, it applies only to the embeddings of the users "
        "and movies of the step's rows; with adam, it applies to all weights. Raise it if the validation RMSE rises "
        "while the training loss falls.",
    )
    sampler_rank: int | None = Field(
        None,
        ge=1,
        le=255,
        description="Length of the vectors in the sampler (gibbs only). 7, 15, 23 and 31 are the fastest for "
        "their size: with a bias added, the length is a multiple of 8.",
    )
    chains: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Number of sampler chains (gibbs only). They run one after another, and the model is their mean.",
    )
    sweeps: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Number of sweeps per chain (gibbs only). There is no early stopping.",
    )
    burn_in: int | None = Field(
        None,
        ge=0,
        description="Number of sweeps at the start of each chain that are left out of the mean (gibbs only). It must "
        "be smaller than sweeps.",
    )
    patience: int = Field(
        3,
        ge=0,
        description="Number of epochs without a better validation RMSE after which training stops. 0 disables early "
        "stopping.",
    )
    trace_every: int | None = Field(
        None,
        ge=0,
        description="Number of training steps between two points of the loss trace. With 0, the default, an epoch has "
        "about ten points. sgd on a CPU ignores this setting and records eight points per epoch.",
    )
    device: DeviceName = Field("auto", description="Device to train on. auto uses a GPU if there is one.")
    threads: int = Field(0, ge=0, le=1024, description="Number of CPU threads. 0 uses all cores.")
    ranks: int = Field(
        1,
        ge=1,
        le=MOST_RANKS,
        description="Number of processes that share a fit (sgd on CPUs only). Users and threads are divided among "
        "them.",
    )
    time: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether a user's latest ratings count more in the user's bias (dot only). on: they do. off: they "
        "do not. auto: they do if the split is temporal or last_n, and if this lowers the validation RMSE.",
    )
    titles: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether movies without training rows get a bias and a vector that are estimated from their titles "
        "and years. on: they do. off: they do not. auto: they do if the method works for movies with training rows. It "
        "works if the estimated biases have a lower error than the mean bias.",
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="Random seed of the initial weights and of the order of rows."
    )
    refit: Literal["none", "train_valid", "all"] = Field(
        "train_valid",
        description="Rows of the refit, which uses the best number of epochs. none: no refit. train_valid: a refit on "
        "the train and validation rows, before the candidate is tested. all: the same, and a second refit on all rows "
        "if the candidate passes the gate.",
    )


class Settings(Section):
    """All settings of one retraining run.

    Frozen. `read_settings` makes them from what a person writes.

    Examples:
        >>> from matinee.settings import Settings
        >>> Settings().gate.tolerance
        0.002
    """

    ingest: IngestSettings = Field(IngestSettings(), description="How ratings and titles are read.")
    split: SplitSettings = Field(
        SplitSettings(), description="Which rows are used for training, for early stopping and for the test."
    )
    model: ModelSettings = Field(ModelSettings(), description="Which model is trained.")
    train: TrainSettings = Field(TrainSettings(), description="How the model is trained.")
    evaluate: EvaluateSettings = Field(
        EvaluateSettings(), description="What is measured in addition to the test error."
    )
    rank: RankSettings = Field(
        RankSettings(), description="How the ranking model, which orders the movies of each list, is fitted."
    )
    gate: GateSettings = Field(GateSettings(), description="When a candidate may replace the champion.")
    release: ReleaseSettings = Field(ReleaseSettings(), description="How a release is stored.")
    recommend: RecommendSettings = Field(
        RecommendSettings(), description="How lists for all users are computed."
    )

    def for_test_files(self, test: Sequence[str]) -> Self:
        """The settings of a run whose test rows may come from files: with files, the strategy becomes `given`.

        Args:
            test: Paths of the test files; empty if there are none.

        Raises:
            ConfigError: The split and the files contradict each other.
        """
        if not test:
            if self.split.strategy == "given":
                raise ConfigError(
                    "split.strategy=given reads the test rows from files, but no file is given. Name them with --test "
                    "PATH."
                )
            return self
        if self.split.strategy not in ("given", "stratified"):
            raise ConfigError(
                f"Test files were given, but split.strategy={self.split.strategy} chooses its own test rows. "
                "Leave out one of the two."
            )
        given = self.model_copy(update={"split": self.split.model_copy(update={"strategy": "given"})})
        given.split.check()
        return given

    def resolved(self) -> "Resolved":
        """The settings that the steps use: each None is replaced by the value of the recipe.

        Settings that the model or the method does not use are left out.

        Raises:
            ConfigError: The method cannot fit the model.
        """
        recipe = recipe_of(self.model.name, self.train.method)
        model = fill(self.model, MODELS[self.model.name], recipe.model)
        training = fill(self.train, TRAININGS[recipe.method], recipe.train)
        check_pair(model, training)
        rest = {name: section for name, section in self if name not in ("model", "train")}
        return Resolved.model_validate({**rest, "model": model, "train": training})

    def spelled_out(self) -> "Settings":
        """These settings with the recipe's value in place of each None, as they are written to files."""
        return self.resolved().written()

    def values(self) -> dict[str, JsonValue]:
        """The values of a run by the names that `--set` takes, without the settings that a run ignores."""
        found = by_full_name(self.resolved().model_dump(mode="json"))
        ignored = {f"split.{name}" for name in self.split.ignored}
        if self.ingest.feedback == "implicit":
            ignored |= ignored_by_plays(found)
        return {name: value for name, value in found.items() if name not in ignored}

    def check(self) -> None:
        """Raise ConfigError if settings contradict each other, or if the chosen model, method or split ignores them."""
        plays = self.ingest.feedback == "implicit"
        if plays and (useless := find_unused_by_plays(self, usual=Settings().spelled_out())):
            raise ConfigError(" ".join(map(explain_unused_by_plays, useless)))
        recipe = recipe_of(self.model.name, self.train.method)
        unused = [
            *(f"model.{name}" for name in find_unused(self.model, MODELS[self.model.name])),
            *(f"train.{name}" for name in find_unused(self.train, TRAININGS[recipe.method])),
        ]
        if unused:
            raise ConfigError(
                " ".join(explain_unused(name, model=self.model.name, method=recipe.method) for name in unused)
            )
        self.split.check()
        self.resolved()


class Resolved(Section):
    """The settings of a run with every value known; the training settings are those of one method."""

    ingest: IngestSettings
    split: SplitSettings
    model: AnyModel = Field(discriminator="name")
    train: AnyTraining = Field(discriminator="method")
    rank: RankSettings
    evaluate: EvaluateSettings
    gate: GateSettings
    release: ReleaseSettings
    recommend: RecommendSettings

    def written(self) -> Settings:
        """The same settings as a person writes them; settings without effect have their default."""
        rest = {name: section for name, section in self if name not in ("model", "train")}
        return Settings.model_validate(
            {
                **rest,
                "model": self.model.model_dump(),
                "train": self.train.model_dump(exclude_defaults=True) | {"method": self.train.method},
            }
        )
