"""Lists found so far, kept beside the file that they are for, so that recommending to everyone can be resumed."""

import contextlib
import glob
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from matinee.release.weights import write_weights
from matinee.store.locks import lock_folder

Lists = tuple[
    NDArray[np.float32], NDArray[np.int32]
]  # scores and movie codes [users, top]; code -1: a list is shorter


@dataclass(frozen=True)
class SavedLists:
    """A folder with a file for each group of users whose lists were found."""

    folder: Path

    def load(self, first: int) -> Lists | None:
        """The lists of the group that begins with a user; None where they are to be found yet."""
        try:
            part = load_file(self._path(first))
            return part["scores"], part["codes"]
        except (FileNotFoundError, SafetensorError, KeyError):
            return None

    def save(self, first: int, lists: Lists) -> None:
        """Keep the lists of a group, whole or not at all."""
        write_weights(self._path(first), {"scores": lists[0], "codes": lists[1]})

    def _path(self, first: int) -> Path:
        return self.folder / f"{first}.safetensors"


@contextlib.contextmanager
def keep_lists(out: Path, digest: str) -> Iterator[SavedLists]:
    """The parts of `out`, named by the digest of all that the lists depend on; they go once the block has ended well.

    SavedLists of other lists for the same file are removed. Waits for another process that finds the same.
    """
    folder = out.with_name(f".{out.name}.{digest}.partial")
    own = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{20}}\.partial")
    for other in out.parent.glob(f".{glob.escape(out.name)}.*.partial"):
        if other != folder and own.fullmatch(other.name) and not other.is_symlink():
            shutil.rmtree(other, ignore_errors=True)
    with lock_folder(folder):
        yield SavedLists(folder)
        shutil.rmtree(folder)
