"""Saves finished lists next to the output file, so that recommending to all users can be resumed."""

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

# Scores and movie codes [users, top]; code -1 fills up a shorter list.
Lists = tuple[NDArray[np.float32], NDArray[np.int32]]


@dataclass(frozen=True)
class SavedLists:
    """A folder with one file per group of users whose lists are finished."""

    folder: Path

    def load(self, first: int) -> Lists | None:
        """The lists of the group that begins with a user; None if they are not finished."""
        try:
            arrays = load_file(self._path(first))
            return arrays["scores"], arrays["codes"]
        except (FileNotFoundError, SafetensorError, KeyError):
            return None

    def save(self, first: int, lists: Lists) -> None:
        """Save the lists of a group atomically."""
        write_weights(self._path(first), {"scores": lists[0], "codes": lists[1]})

    def _path(self, first: int) -> Path:
        return self.folder / f"{first}.safetensors"


@contextlib.contextmanager
def keep_lists(out: Path, digest: str) -> Iterator[SavedLists]:
    """The saved lists of `out`, named by the digest of their inputs; removed when the block ends without error.

    Saved lists with another digest are removed. Waits for another process that makes the same lists.
    """
    folder = out.with_name(f".{out.name}.{digest}.partial")
    own = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{20}}\.partial")
    for other in out.parent.glob(f".{glob.escape(out.name)}.*.partial"):
        if other != folder and own.fullmatch(other.name) and not other.is_symlink():
            shutil.rmtree(other, ignore_errors=True)
    with lock_folder(folder):
        yield SavedLists(folder)
        shutil.rmtree(folder)
