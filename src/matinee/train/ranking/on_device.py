"""The normal equations of the ridge in torch, for a GPU: factored where that fits, else conjugate gradients.

The products with the ratings and all vectors of a solve stay on the device; only its ends are copied.
"""

import contextlib
import sys
import warnings
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from matinee.release.ranking_model import GRADE_STEP, Floats
from matinee.train.ranking.gradients import descend
from matinee.train.ranking.method import SQUARE, DeviceMemoryError
from matinee.train.ranking.rows import GradedRows, Group
from matinee.train.ranking.tiles import Report, triangle_bytes

_CELLS = 1 << 27  # of a dense block of users: 512 MB
_STRIPES = 4  # of features: products above the diagonal are left out


def memory_of(device: str) -> int:
    """The whole memory of a device in bytes, used or not; without a bound for a CPU."""
    if torch.device(device).type != "cuda":
        return sys.maxsize
    return int(torch.cuda.get_device_properties(device).total_memory)


class OnDevice:
    """X'X and (X'X + D)^-1 for features [2, movies, columns] that are arrays of numpy."""

    def __init__(
        self, rows: GradedRows, ridge: Floats, *, device: str, factors: bool, report: Report
    ) -> None:
        """Move the ratings to a device, and factor the matrix or prepare for conjugate gradients.

        Args:
            rows: The ratings.
            ridge: The diagonal D, [2, movies].
            device: A device of torch.
            factors: Whether X'X + D is factored.
            report: Called with the progress.

        Raises:
            DeviceMemoryError: The device has too little free memory.
        """
        self._device, self._report = torch.device(device), report
        self._users, self._movies = rows.users, rows.movies
        self._factor: Tensor | None = None
        with _within_memory():
            if factors:
                self._check_free(SQUARE * triangle_bytes(2 * rows.movies))
            self._ridge = self._put(ridge)[..., None]
            self._diagonal = self._put((rows.squares + ridge).astype(np.float32))[..., None]
            self._by_user = self._matrices(rows.by_user, rows.movies)
            self._by_movie = self._matrices(rows.by_movie, rows.users)
            if factors:
                self._factor = self._make_factor()

    def gram(self, values: Floats) -> Floats:
        """X'X V."""
        with _within_memory():
            return self._get(self._gram(self._put(values)))

    def solve(self, right: Floats, *, rough: bool = False) -> Floats:
        """(X'X + D)^-1 R; `rough` where two digits are enough."""
        with _within_memory():
            values = self._put(right)
            if self._factor is None:
                return self._get(self._descend(values, rough))
            root = self._ridge.rsqrt().reshape(-1, 1)
            flat = torch.cholesky_solve(root * values.flatten(0, 1), self._factor)
            flat *= root
            self._report("solve", 1, 1)
            return self._get(flat.reshape(values.shape))

    def _matrices(self, group: Group, others: int) -> tuple[Tensor, Tensor]:
        """Two sparse matrices with the same places: ones where there is a rating, and grades."""
        kind = torch.int32 if len(group.others) < 2**31 else torch.int64
        starts = torch.from_numpy(group.starts).to(self._device, kind)
        places = torch.from_numpy(group.others).to(self._device, kind)
        grades = torch.from_numpy(group.codes).to(self._device).float().mul_(float(GRADE_STEP))
        size = (len(group.starts) - 1, others)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
            return (
                torch.sparse_csr_tensor(
                    starts, places, torch.ones_like(grades), size, check_invariants=False
                ),
                torch.sparse_csr_tensor(starts, places, grades, size, check_invariants=False),
            )

    def _gram(self, values: Tensor) -> Tensor:
        """X'X V on the device."""
        rated, graded = self._by_user
        by_user = rated @ values[0]
        by_user += graded @ values[1]
        return torch.stack([matrix @ by_user for matrix in self._by_movie])

    def _make_factor(self) -> Tensor:
        """The Cholesky factor of D^-1/2 X'X D^-1/2 + I, from dense blocks of users.

        Blocks hold small whole numbers, grades in steps: tensor cores multiply these exactly in tf32.
        """
        features = 2 * self._movies
        total = torch.zeros((features, features), device=self._device)
        bounds = [features * number // _STRIPES for number in range(_STRIPES + 1)]
        rated, graded = self._by_user
        starts, columns, grades = rated.crow_indices(), rated.col_indices(), graded.values()
        step = max(1, _CELLS // features)
        for first in range(0, self._users, step):
            last = min(first + step, self._users)
            here = slice(int(starts[first]), int(starts[last]))
            lengths = (starts[first + 1 : last + 1] - starts[first:last]).long()
            line = torch.repeat_interleave(torch.arange(last - first, device=self._device), lengths)
            block = torch.zeros((last - first, features), device=self._device)
            block[line, columns[here].long()] = 1
            block[line, columns[here].long() + self._movies] = (grades[here] / float(GRADE_STEP)).round()
            with _tensor_cores(self._device):
                for left, right in pairwise(bounds):
                    total[left:, left:right].addmm_(block[:, left:].T, block[:, left:right])
            self._report("products", last, self._users)
        scale = self._ridge.rsqrt()[..., 0]
        scale[1] *= float(GRADE_STEP)
        total.mul_(scale.reshape(-1, 1)).mul_(scale.flatten())
        total.diagonal().add_(1)
        factor: Tensor = torch.linalg.cholesky(total)
        self._report("factor", 1, 1)
        return factor

    def _descend(self, right: Tensor, rough: bool) -> Tensor:
        return descend(
            torch,
            right,
            gram=self._gram,
            dots=_dots,
            ridge=self._ridge,
            diagonal=self._diagonal,
            rough=rough,
            report=self._report,
        )

    def _check_free(self, needed: int) -> None:
        """Raise DeviceMemoryError before minutes of work if another process holds the memory."""
        if self._device.type != "cuda":
            return
        torch.cuda.empty_cache()  # what an earlier fit of this process has left there counts as free
        free = torch.cuda.mem_get_info(self._device)[0]
        if needed > free:
            raise _too_little(f"{needed >> 20:,} MB are needed and {free >> 20:,} MB are free")

    def _put(self, values: Floats) -> Tensor:
        return torch.tensor(values, device=self._device)

    def _get(self, values: Tensor) -> Floats:
        found: Floats = values.cpu().numpy()
        return found


@contextlib.contextmanager
def _tensor_cores(device: torch.device) -> Iterator[None]:
    """Multiply matrices on a GPU in tf32, whose 11 bits are enough for small whole numbers."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if device.type == "cuda" else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def _within_memory() -> Iterator[None]:
    """Raise DeviceMemoryError if the memory of the GPU does not suffice."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise _too_little(str(error).partition(". GPU")[0]) from error


def _too_little(found: str) -> DeviceMemoryError:
    return DeviceMemoryError(
        f"The GPU has too little free memory for the ranking model: {found}. Free some, or set train.device=cpu."
    )


def _dots(left: Tensor, right: Tensor) -> Tensor:
    """Scalar products of columns, [columns], in float64."""
    return (left * right).sum(dim=(0, 1), dtype=torch.float64)
