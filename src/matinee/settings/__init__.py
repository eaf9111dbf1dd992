"""Settings: every value that a user can change, with its bounds, and the presets."""

from matinee.settings.evaluation import GateSettings
from matinee.settings.model import (
    ModelSettings,
    Resolved,
    Settings,
    TrainSettings,
)
from matinee.settings.outputs import RecommendSettings
from matinee.settings.ranking import RankSettings
from matinee.settings.split import SplitSettings
from matinee.settings.training import AnyModel, AnyTraining, GradientTraining, SamplerTraining

__all__ = [
    "AnyModel",
    "AnyTraining",
    "GateSettings",
    "GradientTraining",
    "ModelSettings",
    "RankSettings",
    "RecommendSettings",
    "Resolved",
    "SamplerTraining",
    "Settings",
    "SplitSettings",
    "TrainSettings",
]
