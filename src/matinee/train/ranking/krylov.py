"""The leading eigenvectors of a symmetric matrix, from its products with a few vectors at a time.

Block Krylov iteration (Musco and Musco, 2015): the space of a block Q and of A Q, A^2 Q, ... holds the leading
eigenvectors more closely than the last of these products does alone. A third as many products as in subspace iteration
give the same lists (docs/notes.md).

The matrix is A = E' X'X E for an operator E, as the encoder of a ranking model is one. What E makes of each block is
kept: the encoder of the eigenvectors is then a sum, and no product is made twice.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from matinee.release.arrays import Doubles
from matinee.release.ranking_model import Floats
from matinee.train.checkpoint import load_checkpoint, save_checkpoint
from matinee.train.engine import Arrays

_CHUNK: Final = 8192
_BLOCK_SHARE: Final = 3  # a block has as many columns as the rank divided by this
_ROUND: Final = 8
_SPARE: Final = 8  # columns beyond the rank: one in so many, and as many at least
_NOISE: Final = 1e-6  # of a product: as much as its rounding


class KrylovState(BaseModel):
    """The progress in a checkpoint: blocks whose products are known."""

    done: int


class KrylovSpace:
    """Orthonormal vectors in blocks, and the matrix within their space.

    Attributes:
        basis: The vectors, [movies, width]; those of later blocks are 0.
        encoder: What the operator makes of them, [2, movies, width].
        width: Number of vectors at the end.
        blocks: Number of blocks at the end.
        done: Number of blocks whose products are known.
    """

    def __init__(self, rated: npt.NDArray[np.bool_], *, rank: int, iterations: int, seed: int) -> None:
        """Start with a random block.

        Args:
            rated: The movies that vectors may have a value for.
            rank: Number of eigenvectors that are asked for; no more than movies.
            iterations: Number of blocks, at most.
            seed: Of the random vectors.
        """
        known = int(rated.sum())
        spare = rank + max(_SPARE, rank // _SPARE)
        block = max(-(-rank // _BLOCK_SHARE), -(-spare // iterations))
        self._block = -(-block // _ROUND) * _ROUND
        self.width = min(self._block * iterations, known)
        self.blocks = -(-self.width // self._block)
        self.done = 0
        self.basis = np.zeros((len(rated), self.width), np.float32)
        self.encoder = np.zeros((2, len(rated), self.width), np.float32)
        self._within = np.zeros((self.width, self.width))
        self._rated, self._seed = rated, seed
        self.basis[:, self._columns(0)] = _orthonormal(self._draw(0))

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        found = load_checkpoint(checkpoint, KrylovState)
        if found is None:
            return
        tables, progress = found
        self.done = progress.done
        self.basis[:, : tables["basis"].shape[1]] = tables["basis"]
        known = tables["encoder"].shape[2]
        self.encoder[:, :, :known] = tables["encoder"]
        self._within[:known, :known] = tables["within"]

    def save(self, checkpoint: Path) -> None:
        """Keep what is known."""
        new = self._columns(self.done)
        tables: Arrays = {
            "basis": np.ascontiguousarray(self.basis[:, : new.stop]),
            "encoder": np.ascontiguousarray(self.encoder[..., : new.start]),
            "within": np.ascontiguousarray(self._within[: new.start, : new.start]),
        }
        save_checkpoint(checkpoint, tables, KrylovState(done=self.done))

    @property
    def newest(self) -> Floats:
        """The block whose products are missing, [movies, columns]."""
        return np.ascontiguousarray(self.basis[:, self._columns(self.done)])

    def add(self, encoder: Floats, product: Floats) -> None:
        """Add what the operator makes of the newest block, E Q, and X'X E Q; both are [2, movies, columns]."""
        new = self._columns(self.done)
        self.encoder[:, :, new] = encoder
        known = self.encoder[..., : new.stop]
        within = _product(known[0], product[0]) + _product(known[1], product[1])
        self._within[: new.stop, new] = within
        self._within[new, : new.stop] = within.T
        self.done += 1

    def extend(self, product: Floats) -> None:
        """Begin the next block with what A Q has beyond the space, [movies, columns]."""
        new = self._columns(self.done)
        table = product[:, : new.stop - new.start]
        norms = np.linalg.norm(table, axis=0)
        table /= np.where(norms > 0, norms, np.float32(1))
        # Where the space has all of a product already, chance gives a new direction, and not rounding.
        table += np.float32(_NOISE) * self._draw(self.done)
        space = self.basis[:, : new.start]
        for _ in range(2):  # once more for what the first round lost by rounding
            table = _orthonormal(table - space @ (space.T @ table))
        self.basis[:, new] = table

    def turn(self, rank: int) -> Floats:
        """The leading eigenvectors within the space, [width, rank]; the largest entry of each is positive."""
        _, vectors = np.linalg.eigh((self._within + self._within.T) / 2)
        turn = np.ascontiguousarray(vectors[:, ::-1][:, :rank].astype(np.float32))
        largest = turn[np.abs(turn).argmax(axis=0), np.arange(rank)]
        turn *= np.where(largest < 0, np.float32(-1), np.float32(1))
        return turn

    def _columns(self, number: int) -> slice:
        return slice(number * self._block, min((number + 1) * self._block, self.width))

    def _draw(self, number: int) -> Floats:
        """Random vectors of about unit length for a block; a seed has the same ones after a restart."""
        columns = self._columns(number)
        draw = np.random.Generator(np.random.Philox(key=self._seed, counter=[0, 0, 0, number]))
        found = np.zeros((len(self._rated), columns.stop - columns.start), np.float32)
        known = int(self._rated.sum())
        found[self._rated] = draw.standard_normal((known, found.shape[1]), dtype=np.float32)
        found /= np.float32(known**0.5)
        return found


def _orthonormal(table: Floats) -> Floats:
    return np.linalg.qr(table)[0].astype(np.float32, order="C", copy=False)


def _product(left: Floats, right: Floats) -> Doubles:
    """L'R, summed in float64 chunk by chunk."""
    total = np.zeros((left.shape[1], right.shape[1]))
    for start in range(0, len(left), _CHUNK):
        here = slice(start, start + _CHUNK)
        total += left[here].T.astype(np.float64) @ right[here]
    return total
