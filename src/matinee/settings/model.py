"""Every setting of the pipeline: its default, its bounds and the reason for it in one line.

The models below are the flow's parameters, so they are also the form in the Prefect UI. A field that is
None takes the recipe of the chosen model (`matinee.settings.presets`); `Settings.resolved` fills those in and drops
what the chosen method does not use. Only resolved settings reach a digest, so spelling a default out changes nothing.
"""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field

from matinee.errors import ConfigError
from matinee.settings.device import DeviceName
from matinee.settings.ingest import IngestSettings, Section
from matinee.settings.presets import MethodName, ModelName, recipe_of
from matinee.settings.training import (
    MODELS,
    TRAININGS,
    AnyModel,
    AnyTraining,
    check_pair,
    explain_unused,
    fill,
    find_unused,
)


class SplitSettings(Section):
    strategy: Literal["stratified", "shuffle", "given", "temporal", "last_n"] = Field(
        "stratified",
        description="stratified keeps each row's side for good as data grows; shuffle is scikit-learn's draw; "
        "given takes the test rows from --test; temporal tests on the latest days, last_n on each user's last ratings.",
    )
    test_fraction: float = Field(0.10, gt=0, lt=1, description="Share of rows that only evaluate may see.")
    valid_fraction: float = Field(
        0.05, gt=0, lt=1, description="Share of the rest that early stopping looks at."
    )
    last_n: int = Field(
        1,
        ge=1,
        le=1000,
        description="Test rows of a user with last_n; as many before them are valid rows, whatever the fractions say.",
    )
    seed: int = Field(42, ge=0, lt=2**32, description="Draws another split.")


class ModelSettings(Section):
    name: ModelName = Field(
        "dot", description="dot: biases and a dot product; linear, mlp, neumf: the notebook's others."
    )
    embedding_size: int | None = Field(None, ge=1, le=1024, description="Numbers per user and per movie.")
    biases: bool = Field(
        True, description="A bias per user and per movie (dot only); off is the notebook's factorization."
    )
    hidden_size: int | None = Field(
        None, ge=1, le=4096, description="Width of the hidden layer (mlp and neumf)."
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="Share of hidden units left out in training (mlp and neumf)."
    )


class TrainSettings(Section):
    method: MethodName | None = Field(
        None,
        description="How the weights are found: sgd row by row or gibbs sampling (dot only), adagrad with a step size "
        "per row, or adam as in the notebook.",
    )
    epochs: int | None = Field(None, ge=1, le=10_000, description="Passes over the training rows, at most.")
    learning_rate: float | None = Field(None, gt=0, le=10, description="Step size of the first epoch.")
    lr_step: int | None = Field(None, ge=1, description="Epochs between two cuts of the learning rate.")
    lr_gamma: float | None = Field(None, gt=0, le=1, description="Factor of each cut.")
    batch_size: int | None = Field(None, ge=1, le=2**24, description="Rows per step.")
    weight_decay: float | None = Field(
        None,
        ge=0,
        le=10,
        description="L2 penalty on the embeddings that a row touches; with adam on all weights, as torch has it.",
    )
    sampler_rank: int | None = Field(
        None,
        ge=1,
        le=255,
        description="Numbers per vector in the sampler (gibbs); with the bias best 8, 16, 24 or 32.",
    )
    chains: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Runs of the sampler, one after the other, that the mean is over (gibbs).",
    )
    sweeps: int | None = Field(
        None, ge=1, le=100_000, description="Sweeps of each chain of the sampler, all of them run (gibbs)."
    )
    burn_in: int | None = Field(
        None,
        ge=0,
        description="Sweeps at the start of a chain that do not enter the mean (gibbs); fewer than sweeps.",
    )
    patience: int = Field(
        3, ge=0, description="Epochs without a better valid RMSE before training stops; 0 never stops early."
    )
    trace_every: int | None = Field(
        None, ge=1, description="Steps between two points of the loss trace; default 10 an epoch."
    )
    device: DeviceName = Field("auto", description="auto takes a GPU where there is one.")
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0 takes all cores.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of initial weights and of the order of rows.")
    refit: Literal["none", "train_valid", "all"] = Field(
        "train_valid",
        description="Once the best epoch is known, fit again: not at all, on train and valid rows before the test, "
        "or also on all rows after a passed gate.",
    )


class EvaluateSettings(Section):
    temporal: bool = Field(
        True,
        description="Where dates exist, fit a quick model on the past alone and report how it predicts the latest tenth"
        " of the ratings, beside the same at random.",
    )
    ranking_users: int = Field(
        100_000,
        ge=1,
        description="Users whose ranking of the full catalogue is measured; a seeded draw where more liked a test row.",
    )


class GateSettings(Section):
    tolerance: float = Field(
        0.002,
        ge=0,
        le=10,
        description="How much worse in RMSE than the champion a candidate may be and still replace it.",
    )
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="How sure the gate must be that a candidate is within the tolerance."
    )
    min_rows: int = Field(
        100, ge=1, description="Fewer rows that neither side was trained on hold the candidate."
    )
    slices: bool = Field(
        True,
        description="Hold a candidate that got worse, beyond doubt and tolerance, on some users or movies.",
    )
    slice_min_rows: int = Field(1_000, ge=1, description="Slices with fewer rows are shown and not judged.")
    drift: bool = Field(
        True,
        description="Hold a candidate whose data moved further than the last datasets did, or than the bounds.",
    )
    drift_psi: float = Field(
        0.1,
        ge=0,
        le=100,
        description="Population stability index between the ratings and the champion's: .1 is a moderate shift.",
    )
    drift_psi_new: float = Field(
        0.25,
        ge=0,
        le=100,
        description="The same between the ratings that came since and the champion's, where the data only grew.",
    )
    drift_new_ids: float = Field(
        0.4, ge=0, le=1, description="Share of rows of users, or of movies, that the champion's data lacks."
    )
    drift_lost: float = Field(
        0.2, ge=0, le=1, description="Share of the champion's rows that are gone, by user or by movie."
    )
    drift_growth: float = Field(
        1.0,
        ge=0,
        le=1e9,
        description="New rows as a share of the champion's; 1 is twice as many rows as before.",
    )
    decay: bool = Field(
        True,
        description="Hold a candidate that lost too much against the anchor, the last release that was better.",
    )
    decay_tolerances: float = Field(
        2.0,
        ge=1,
        le=1_000,
        description="Loss against the anchor, in tolerances, that small losses may add up to.",
    )
    refit_difference: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Mean difference between predictions of the refit on all rows and of the tested weights, as a "
        "share of the scale's width (.01 to .03 is usual); above it the tested weights are published.",
    )


class RecommendSettings(Section):
    memory_mb: int = Field(
        512,
        ge=16,
        le=1 << 20,
        description="Memory for the lists that wait to be written, on top of the release itself.",
    )
    device: DeviceName = Field("auto", description="auto takes a GPU where there is one, for the dot model.")


class ReleaseSettings(Section):
    storage: Literal["float32", "float16"] = Field(
        "float32",
        description="How a release keeps its vectors; float16 halves its size and moves a prediction by a thousandth.",
    )


class Settings(Section):
    """All settings of one retraining run.

    Frozen. `read_settings` makes them from what a person writes.

    Example:
        >>> from matinee.settings import Settings
        >>> Settings().gate.tolerance
        0.002
    """

    ingest: IngestSettings = Field(IngestSettings(), description="How ratings and titles are read.")
    split: SplitSettings = Field(
        SplitSettings(), description="Which rows train, which decide when to stop, and which judge."
    )
    model: ModelSettings = Field(ModelSettings(), description="What is trained.")
    train: TrainSettings = Field(TrainSettings(), description="How it is trained.")
    evaluate: EvaluateSettings = Field(EvaluateSettings(), description="What is measured besides.")
    gate: GateSettings = Field(GateSettings(), description="When a candidate may replace the champion.")
    release: ReleaseSettings = Field(ReleaseSettings(), description="What is published.")
    recommend: RecommendSettings = Field(RecommendSettings(), description="How lists for all users are made.")

    def for_test_files(self, test: Sequence[str]) -> Self:
        """These settings for a run with test files of its own, which is what split.strategy=given is for.

        Raises ConfigError when the strategy says one thing and the files another.
        """
        if not test:
            if self.split.strategy == "given":
                raise ConfigError(
                    "split.strategy=given takes the test rows from files: name them with --test PATH."
                )
            return self
        if self.split.strategy not in ("given", "stratified"):
            raise ConfigError(
                f"Test files were given, but split.strategy={self.split.strategy} chooses its own test rows: "
                "leave one out."
            )
        return self.model_copy(update={"split": self.split.model_copy(update={"strategy": "given"})})

    def resolved(self) -> "Resolved":
        """What the steps take: every None filled in, from the recipe of the chosen model and of its method.

        A setting that the model or the method does not use is left out. Raises ConfigError for a model and a method
        that do not go together.
        """
        recipe = recipe_of(self.model.name, self.train.method)
        model = fill(self.model, MODELS[self.model.name], recipe.model)
        training = fill(self.train, TRAININGS[recipe.method], recipe.train)
        check_pair(model, training)
        rest = {name: section for name, section in self if name not in ("model", "train")}
        return Resolved.model_validate({**rest, "model": model, "train": training})

    def spelled_out(self) -> "Settings":
        """These settings with the recipe's value for each None, as files keep them."""
        return self.resolved().written()

    def check(self) -> None:
        """Raise ConfigError, naming each, for settings that the chosen model and method do not use or that clash."""
        recipe = recipe_of(self.model.name, self.train.method)
        unused = [
            *(f"model.{name}" for name in find_unused(self.model, MODELS[self.model.name])),
            *(f"train.{name}" for name in find_unused(self.train, TRAININGS[recipe.method])),
        ]
        if unused:
            raise ConfigError(
                " ".join(explain_unused(name, model=self.model.name, method=recipe.method) for name in unused)
            )
        self.resolved()


class Resolved(Section):
    """The settings of a run with nothing left open: the model and its training are those of one method."""

    ingest: IngestSettings
    split: SplitSettings
    model: AnyModel = Field(discriminator="name")
    train: AnyTraining = Field(discriminator="method")
    evaluate: EvaluateSettings
    gate: GateSettings
    release: ReleaseSettings
    recommend: RecommendSettings

    def written(self) -> Settings:
        """The same as a person would write them and as files keep them; what has no effect is at its default."""
        rest = {name: section for name, section in self if name not in ("model", "train")}
        return Settings.model_validate(
            {
                **rest,
                "model": self.model.model_dump(),
                "train": self.train.model_dump(exclude_defaults=True) | {"method": self.train.method},
            }
        )
