"""Rows of a table on a device, by code."""

import torch
from torch import Tensor

_NUMBERS = 4  # of 32 bits in one of complex128


def gather_rows(table: Tensor, codes: Tensor) -> Tensor:
    """The rows of a contiguous table of float32 that codes name.

    On a GPU, index_select computes the place of each number that it copies. So four numbers are copied as one.
    """
    if table.shape[1] % _NUMBERS:
        return table.index_select(0, codes)
    return table.view(torch.complex128).index_select(0, codes).view(table.dtype)
