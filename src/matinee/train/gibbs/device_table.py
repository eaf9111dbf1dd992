"""A table of `RunningProduct` in torch, for a GPU."""

import numpy as np
import torch
from torch import Tensor

from matinee.release.arrays import Doubles, Floats

_CHUNK = 1 << 16  # rows of a product at a time


class DeviceTable:
    """A table of `RunningProduct` on a device."""

    def __init__(self, rows: int, width: int, *, device: str) -> None:
        self.width = width
        self._table = torch.zeros((rows, width), device=device)

    def put(self, start: int, values: Tensor) -> None:
        """Write columns from a place on."""
        self._table[:, start : start + values.shape[1]] = values

    def gram(self, used: int) -> Doubles:
        """T'T of the used columns, in float64."""
        total = torch.zeros((used, used), dtype=torch.float64, device=self._table.device)
        for chunk in torch.split(self._table, _CHUNK):
            wide = chunk[:, :used].double()
            total += wide.T @ wide
        return total.cpu().numpy()

    def turn(self, used: int, turn: Doubles) -> None:
        """Replace the used columns by their product with a narrow matrix."""
        narrow = torch.from_numpy(turn.astype(np.float32)).to(self._table.device)
        for chunk in torch.split(self._table, _CHUNK):
            chunk[:, : narrow.shape[1]] = chunk[:, :used] @ narrow

    def read(self, used: int) -> Floats:
        """The used columns."""
        return self._table[:, :used].cpu().numpy()

    def restore(self, values: Floats) -> None:
        """Write the first columns."""
        self._table[:, : values.shape[1]] = torch.from_numpy(values).to(self._table.device)
