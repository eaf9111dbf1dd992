"""Settings: every number and choice a user can change, with its bounds, and the presets."""

from matinee.settings.model import (
    GateSettings,
    ModelSettings,
    RecommendSettings,
    Settings,
    SplitSettings,
    TrainSettings,
)

__all__ = ["GateSettings", "ModelSettings", "RecommendSettings", "Settings", "SplitSettings", "TrainSettings"]
