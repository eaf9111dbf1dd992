"""The settings that `matinee tune` searches, and the range of each: the search space.

A range lies within the bounds of its setting. It covers what was best on some data set, with a margin. Settings that
only trade time for accuracy, such as the number of chains, are not searched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from matinee.formats.manifests import ModelName
from matinee.settings.model import Settings
from matinee.settings.presets import MethodName

SearchedValue = int | float


@dataclass(frozen=True)
class Range:
    """The values of one setting that are tried.

    Attributes:
        low: Smallest value.
        high: Largest value.
        log: Whether equal ratios are equally likely, as for a penalty.
        step: Distance between two values of a whole number; 0 for any number.
    """

    low: SearchedValue
    high: SearchedValue
    log: bool = False
    step: int = 0

    def with_value(self, value: SearchedValue) -> "Range":
        """The range, extended to a value that a user has set.

        >>> Range(7, 63, step=8).with_value(20), Range(0.1, 1.0).with_value(0.5)
        (Range(low=7, high=63, log=False, step=1), Range(low=0.1, high=1.0, log=False, step=0))
        """
        if self.low <= value <= self.high and (self.step <= 1 or (value - self.low) % self.step == 0):
            return self
        low, high = min(self.low, value), max(self.high, value)
        return replace(self, low=low, high=high, log=self.log and low > 0, step=min(self.step, 1))

    def nearest(self, value: SearchedValue) -> SearchedValue:
        """The value of the range that is closest to `value`."""
        return min(max(value, self.low), self.high)


Space = Mapping[str, Range]

_GRADIENT: Final[Space] = {
    "model.embedding_size": Range(16, 192, log=True, step=1),
    "train.epochs": Range(12, 48, log=True, step=1),
    "train.lr_gamma": Range(0.7, 0.95),
}
METHOD_SPACES: Final[Mapping[MethodName, Space]] = {
    "sgd": {
        **_GRADIENT,
        "train.learning_rate": Range(0.03, 0.2, log=True),
        "train.weight_decay": Range(0.01, 0.06, log=True),
    },
    "adagrad": {
        **_GRADIENT,
        "train.learning_rate": Range(0.005, 0.2, log=True),
        "train.weight_decay": Range(0.001, 0.1, log=True),
    },
    "adam": {
        **_GRADIENT,
        "train.learning_rate": Range(0.0002, 0.01, log=True),
        "train.weight_decay": Range(0.0, 0.001),
    },
    "gibbs": {"train.sampler_rank": Range(7, 63, step=8)},
}
MODEL_SPACES: Final[Mapping[ModelName, Space]] = {
    "dot": {},
    "linear": {},
    "mlp": {"model.hidden_size": Range(16, 256, log=True, step=1), "model.dropout": Range(0.0, 0.5)},
    "neumf": {"model.hidden_size": Range(16, 256, log=True, step=1), "model.dropout": Range(0.0, 0.5)},
}
RANKING_SPACE: Final[Space] = {
    "rank.penalty": Range(30.0, 30_000.0, log=True),
    "rank.dropout": Range(0.05, 0.8),
    "rank.rated_weight": Range(0.05, 3.0, log=True),
}


def rating_space(settings: Settings) -> Space:
    """The space of the rating model that these settings choose; ranges hold the values that are set."""
    resolved = settings.resolved()
    found = {**METHOD_SPACES[resolved.train.method], **MODEL_SPACES[resolved.model.name]}
    return {name: searched.with_value(value_of(settings, name)) for name, searched in found.items()}


def ranking_space(settings: Settings) -> Space:
    """The space of the ranking model; ranges hold the values that are set."""
    chosen = {name: getattr(settings.rank, name.partition(".")[2]) for name in RANKING_SPACE}
    return {
        name: searched if chosen[name] is None else searched.with_value(chosen[name])
        for name, searched in RANKING_SPACE.items()
    }


def value_of(settings: Settings, name: str) -> SearchedValue:
    """The value of a searched setting, with the recipe's value in place of None."""
    section, _, field = name.partition(".")
    value: SearchedValue = getattr(getattr(settings.resolved(), section), field)
    return value


def with_values(settings: Settings, values: Mapping[str, SearchedValue | str]) -> Settings:
    """The settings with some values replaced.

    Args:
        settings: The settings.
        values: New values by name, such as `train.seed`.

    Raises:
        ValidationError: A value is out of bounds.
    """
    parts = settings.model_dump()
    for name, value in values.items():
        section, _, field = name.partition(".")
        parts[section][field] = value
    return Settings.model_validate(parts)
