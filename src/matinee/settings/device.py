"""The device of a computation, from a setting with the value auto, cpu or cuda."""

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
    if wanted == "cpu":
        return "cpu"
    import torch  # noqa: PLC0415 - takes seconds, and `cpu` does not need it

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError(
            f"{setting}=cuda needs a GPU, and torch finds none. Install a torch build with CUDA and its driver, or "
            f"set {setting}=auto."
        )
    return "cpu"
