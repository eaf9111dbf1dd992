"""Dense Adam on all weights: the seed notebook's optimizer and mean squared error."""

import torch
from torch import Tensor, nn


class DenseAdam:
    """torch's Adam behind the interface of this package; fused where the device is a GPU."""

    def __init__(self, model: nn.Module, *, weight_decay: float) -> None:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._adam = torch.optim.Adam(trained, weight_decay=weight_decay, fused=trained[0].is_cuda)

    def begin_epoch(self) -> None:
        """Nothing to prepare."""

    def step(self, error: Tensor, rate: float, users: Tensor, movies: Tensor) -> None:
        """One step on the mean squared error of a batch."""
        self._adam.param_groups[0]["lr"] = rate
        self._adam.zero_grad()
        error.square().mean().backward()  # type: ignore[no-untyped-call]
        self._adam.step()

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts by number of the parameter."""
        saved = self._adam.state_dict()["state"]
        return {f"{number}.{name}": value for number, held in saved.items() for name, value in held.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Resume from moments and step counts."""
        held: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            number, _, name = key.partition(".")
            held.setdefault(int(number), {})[name] = value
        groups = self._adam.state_dict()["param_groups"]
        self._adam.load_state_dict({"state": held, "param_groups": groups})
