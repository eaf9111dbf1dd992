"""The checkpoints of a stage: one file with one process, and with several ranks one file per rank.

A marker names the last epoch of which every rank has written its file. It is written after all of them. A fit resumes
from it with any number of ranks: with another number than before, each rank reads all files and keeps its part.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matinee.errors import StoreError
from matinee.formats.base import Format
from matinee.store.documents import read_as
from matinee.store.files import write_json
from matinee.train.checkpoint import FitState, load_checkpoint, save_checkpoint
from matinee.train.engine import Arrays
from matinee.train.ranks.group import ALONE, Ranks

log = logging.getLogger(__name__)

_KEPT = 2  # files of a rank: another host may have the marker of the epoch before


class Marker(Format):
    """The last epoch of which every rank has written its file, and how many ranks there were."""

    epoch: int
    ranks: int


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one stage in a folder.

    Attributes:
        folder: The folder.
        name: The stage.
        ranks: The processes of the fit.
        own: The rows of this rank in tables of users and in tables of movies.
    """

    folder: Path
    name: str
    ranks: Ranks = ALONE
    own: tuple[slice, slice] = (slice(None), slice(None))

    def save(self, arrays: Arrays, state: FitState) -> None:
        """Write the arrays of this rank and the progress of the fit."""
        if self.ranks.size == 1:
            save_checkpoint(self._single, arrays, state)
            self._marker.unlink(missing_ok=True)
            return
        save_checkpoint(self._file(state.epoch, self.ranks.rank, self.ranks.size), arrays, state)
        self.ranks.wait()
        if self.ranks.is_first_here:
            write_json(self._marker, Marker(epoch=state.epoch, ranks=self.ranks.size))
            self._single.unlink(missing_ok=True)
        for file in self._own_files()[:-_KEPT]:
            file.unlink(missing_ok=True)

    def load(self) -> tuple[Arrays, FitState] | None:
        """The arrays of this rank and the progress of the last checkpoint; None if a rank has none."""
        single, marker = load_checkpoint(self._single, FitState), self._read_marker()
        epochs = np.zeros(self.ranks.size, np.int64)
        epochs[self.ranks.rank] = max(single[1].epoch if single else 0, marker.epoch if marker else 0)
        self.ranks.add_up(epochs)
        epoch = int(epochs.min())
        found = None
        if single is not None and single[1].epoch == epoch:
            found = self._cut(single[0]), single[1]
        elif marker is not None and epoch:
            found = self._read(epoch, of=marker.ranks)
        missing = np.array([found is None], np.int64)
        self.ranks.add_up(missing)
        if missing[0]:
            if epochs.any():
                log.warning(
                    "A rank has no checkpoint of epoch %d in %s; the fit starts from the beginning.",
                    epoch,
                    self.folder,
                )
            return None
        return found

    @property
    def _single(self) -> Path:
        return self.folder / f"{self.name}.safetensors"

    @property
    def _marker(self) -> Path:
        return self.folder / f"{self.name}.json"

    def _file(self, epoch: int, rank: int, of: int) -> Path:
        return self.folder / f"{self.name}-{epoch:05}-{rank}of{of}.safetensors"

    def _own_files(self) -> list[Path]:
        """The files of this rank, by epoch."""
        return sorted(self.folder.glob(f"{self.name}-*-{self.ranks.rank}of{self.ranks.size}.safetensors"))

    def _read_marker(self) -> Marker | None:
        try:
            return read_as(self._marker, Marker)
        except StoreError:
            return None

    def _read(self, epoch: int, *, of: int) -> tuple[Arrays, FitState] | None:
        """This rank's part of what some number of ranks have written."""
        if of == self.ranks.size:
            return load_checkpoint(self._file(epoch, self.ranks.rank, of), FitState)
        parts = [load_checkpoint(self._file(epoch, rank, of), FitState) for rank in range(of)]
        whole = [part for part in parts if part is not None]
        if len(whole) < of:
            return None
        tables = {name: [arrays[name] for arrays, _ in whole] for name in whole[0][0]}
        joined = {
            name: np.concatenate(each) if _axis(name) is not None else each[0]
            for name, each in tables.items()
        }
        return self._cut(joined), whole[0][1]

    def _cut(self, arrays: Arrays) -> Arrays:
        if self.ranks.size == 1:
            return arrays
        cut = {}
        for name, table in arrays.items():
            axis = _axis(name)
            cut[name] = table if axis is None else table[self.own[axis]]
        return cut


def _axis(name: str) -> int | None:
    """Whether a table has a row per user (0) or per movie (1); None if neither."""
    axes = ("user_", "movie_")
    return next((axis for axis, word in enumerate(axes) if word in name), None)
