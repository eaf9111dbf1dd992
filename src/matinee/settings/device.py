"""Where a computation runs, from a setting that says auto, cpu or cuda."""

from typing import Literal

from matinee.errors import ConfigError

DeviceName = Literal["auto", "cpu", "cuda"]


def choose_device(wanted: DeviceName, *, setting: str) -> Literal["cpu", "cuda"]:
    """The device for a setting; `auto` takes a GPU where there is one.

    Args:
        wanted: The setting's value.
        setting: Its name, for the error.

    Raises:
        ConfigError: A GPU is asked for and torch finds none.
    """
    if wanted == "cpu":
        return "cpu"
    import torch  # noqa: PLC0415 - takes seconds, and `cpu` needs none of it

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError(
            f"{setting}=cuda was asked for and torch finds no GPU. Install a torch build with CUDA and its driver, or "
            f"set {setting}=auto."
        )
    return "cpu"
