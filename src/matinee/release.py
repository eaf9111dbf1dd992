"""A release: a self-contained folder that answers for itself with numpy, pyarrow and safetensors alone.

Weights, id maps, titles, settings, metrics, card, and a manifest with the sha256 of every file.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from matinee import forward
from matinee.errors import ReleaseError
from matinee.idmap import IdMap

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
TESTED = (
    "tested.safetensors"  # the weights that the figures belong to, where the release was refitted on all rows
)
_READ_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class Release:
    """A loaded release. Safe to use from several threads: nothing in it changes after loading."""

    path: Path
    manifest: dict[str, Any]
    users: IdMap
    movies: IdMap
    weights: dict[str, NDArray[Any]]

    @property
    def version(self) -> str:
        """The name under which the store lists it."""
        return str(self.manifest["version"])

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating."""
        low, high = self.manifest["scale"]
        return low, high

    def predict(self, user_ids: ArrayLike, movie_ids: ArrayLike) -> NDArray[np.float32]:
        """Expected ratings of pairs, within the scale; both arrays of source ids, of one shape [n].

        A user or movie that the model does not know gets the mean and the bias of the one it does know.
        """
        users = self.users.encode(np.asarray(user_ids, np.int64))
        movies = self.movies.encode(np.asarray(movie_ids, np.int64))
        raw = forward.predict(self.weights, users, movies, model=self.manifest["model"])
        predicted: NDArray[np.float32] = np.clip(raw, *self.scale).astype(np.float32)
        return predicted


def load(path: str | Path, *, tested: bool = False) -> Release:
    """Load a release folder and verify it; with `tested`, the weights that its figures were measured with.

    Raises ReleaseError when a file is missing, changed since it was written, or of a later schema version.
    """
    folder = Path(path)
    manifest = verify(folder)
    weights = folder / (TESTED if tested and (folder / TESTED).exists() else WEIGHTS)
    try:
        return Release(
            path=folder,
            manifest=manifest,
            users=IdMap(_column(folder / "users.parquet", "user_id")),
            movies=IdMap(_column(folder / "movies.parquet", "movie_id")),
            weights=load_file(weights),
        )
    except (OSError, KeyError, SafetensorError) as error:
        raise ReleaseError(f"The release {folder} could not be loaded: {error}. Publish it again.") from error


def verify(folder: Path) -> dict[str, Any]:
    """The manifest of a release whose files are all there and unchanged.

    Raises ReleaseError otherwise.
    """
    manifest = read_manifest(folder)
    if manifest["schema_version"] > SCHEMA_VERSION:
        raise ReleaseError(
            f"The release {folder} has schema version {manifest['schema_version']}; this matinee reads up to "
            f"{SCHEMA_VERSION}. Install a later matinee."
        )
    for name, expected in manifest["files"].items():
        try:
            found = sha256(folder / name)
        except OSError as error:
            raise ReleaseError(
                f"{folder / name} can't be read: {error.strerror}. Roll back to another release."
            ) from error
        if found != expected:
            raise ReleaseError(
                f"{folder / name} was changed after it was published: its sha256 is {found[:12]}…, the manifest says "
                f"{expected[:12]}…. Roll back to another release, or run the flow again."
            )
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a release, its files unread.

    Raises ReleaseError when it is absent or damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        missing = {"version", "schema_version", "files", "model", "scale"} - manifest.keys()
    except FileNotFoundError:
        raise ReleaseError(f"{folder} is no release: it has no {MANIFEST}.") from None
    except (OSError, ValueError, AttributeError) as error:
        raise ReleaseError(f"{folder / MANIFEST} could not be read: {error}.") from None
    if missing:
        raise ReleaseError(
            f"{folder / MANIFEST} lacks {', '.join(sorted(missing))}: it is not a release's manifest."
        )
    return manifest


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    state = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(_READ_BYTES):
            state.update(block)
    return state.hexdigest()


def _column(path: Path, name: str) -> NDArray[np.int64]:
    column: NDArray[np.int64] = pq.read_table(path, columns=[name])[name].to_numpy()
    return column
