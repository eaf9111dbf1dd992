"""The settings of what a run writes: the release, and lists for all users."""

from typing import Literal

from pydantic import Field

from matinee.settings.device import DeviceName
from matinee.settings.ingest import Section


class RecommendSettings(Section):
    memory_mb: int = Field(
        512,
        ge=16,
        le=1 << 20,
        description="Maximum memory for lists that are not written yet, in MB. The release takes additional memory.",
    )
    device: DeviceName = Field(
        "auto",
        description="Device that computes lists for all users. auto uses a GPU if there is one. A release "
        "with neither a ranking model nor the model dot always uses the CPU.",
    )


class ReleaseSettings(Section):
    storage: Literal["float32", "float16"] = Field(
        "float32",
        description="Number format of the rating model's vectors in a release. float16 halves their size and changes "
        "predictions by about 0.001. The vectors of the ranking model are always float16.",
    )
