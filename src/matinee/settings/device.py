"""The device of a computation, from a setting with the value auto, cpu or cuda."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Literal

from matinee.errors import ConfigError

DeviceName = Literal["auto", "cpu", "cuda"]


def choose_device(wanted: DeviceName, *, setting: str) -> Literal["cpu", "cuda"]:
    """The device for a setting; `auto` is a GPU if there is one.

    Args:
        wanted: The setting's value.
        setting: Its name, for the error.

    Raises:
        ConfigError: The value is `cuda`, and torch finds no GPU.
    """
    if wanted == "cpu" or (wanted == "auto" and not _has_driver()):
        return "cpu"
    import torch  # noqa: PLC0415 - takes seconds, and a fit on the CPU may not need it

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError(
            f"{setting}=cuda needs a GPU, and torch finds none. Install a torch build with CUDA and its driver, or "
            f"set {setting}=auto."
        )
    return "cpu"


@cache
def _has_driver() -> bool:
    """Whether this machine has the driver of a GPU that torch can use: of NVIDIA, or of AMD."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True
