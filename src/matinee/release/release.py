"""A release: a self-contained folder that needs only numpy, pyarrow, pydantic and safetensors.

Weights, id maps, titles, settings, metrics, card, and a manifest with the sha256 of every file. It is believed in
steps: the manifest makes sense (`read_manifest`, for lists), all files are those of the manifest (`verify`), and their
tables fit together (`load`). `inspect` is all of it, for what is to become the champion.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np

from matinee.errors import ConfigError, ReleaseError
from matinee.errors.text import shown
from matinee.release.answers import Release
from matinee.release.files import ReleaseFiles, open_release
from matinee.release.item_catalog import LEVELS as SEEN_LEVELS
from matinee.release.item_catalog import MOVIES as SEEN_MOVIES
from matinee.release.item_catalog import OFFSETS as SEEN_OFFSETS
from matinee.release.manifest import ReleaseManifest
from matinee.release.parts import METRICS, MOVIES, USERS, Parts
from matinee.release.plays import PLAYS_MODEL
from matinee.release.ranking_model import RANKING, TESTED_RANKING
from matinee.release.signature import trusted_key
from matinee.release.user_prior import PRIOR

WEIGHTS: Final = "weights.safetensors"
# The weights that the figures belong to, where the release was refitted on all rows.
TESTED: Final = "tested.safetensors"
_SMALL: Final = (USERS, MOVIES, METRICS)
PublicKey = str | Path | Literal[False] | None  # a file; None for that of the environment, False for no check
_Read = TypeVar("_Read")


def load(path: str | Path, *, tested: bool = False, public_key: PublicKey = None) -> Release:
    """Load a release by its own folder. `matinee.load`, which also takes the folder of a store, has the details.

    Args:
        path: The folder of the release.
        tested: Whether to load the tested weights instead of the shipped ones.
        public_key: The key that must have signed it.

    Returns:
        The release.

    Raises:
        ConfigError: The path is empty.
        ReleaseError: The folder is not a release, or it is damaged or not signed.
    """
    if not str(path):
        raise ConfigError("An empty path was given as a release. Name the folder of one.")
    return _steady(
        Path(path), lambda folder: _load(folder, tested=tested, public_key=trusted_key(public_key))
    )


def verify(folder: Path, *, public_key: PublicKey = None) -> ReleaseManifest:
    """Check that the files of a release are those that were published. Whether they make sense, `load` finds out.

    Args:
        folder: The release.
        public_key: As for `load`.

    Returns:
        The manifest.

    Raises:
        ReleaseError: A file is missing, changed or not listed, or the signature is missing or wrong.
    """
    with open_release(folder, public_key=trusted_key(public_key)) as files, ThreadPoolExecutor(2) as pool:
        list(pool.map(files.check, files.names))  # hashing lets go of the interpreter's lock
        return files.manifest


def inspect(folder: Path, *, public_key: PublicKey = None) -> ReleaseManifest:
    """The manifest of a release that loads, with the weights it ships and with those that were tested.

    What must hold before a release becomes the champion. Raises ReleaseError otherwise.
    """
    manifest = load(folder, public_key=public_key).manifest
    if {TESTED, TESTED_RANKING} & manifest.files.keys():
        load(folder, tested=True, public_key=public_key)
    return manifest


def _steady(folder: Path, read: Callable[[Path], _Read]) -> _Read:
    """What is read of a folder that nobody exchanged meanwhile, as `matinee forget` does."""
    while True:
        place = _inode(folder)
        try:
            found = read(folder)
        except ReleaseError:
            if _inode(folder) == place:
                raise
        else:
            if _inode(folder) == place:
                return found


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except (OSError, ValueError):
        return None


def _load(folder: Path, *, tested: bool, public_key: Path | None) -> Release:
    with open_release(folder, public_key=public_key) as files:
        plays = files.manifest.model == PLAYS_MODEL
        weights = None if plays else TESTED if tested and TESTED in files.names else WEIGHTS
        ranking = TESTED_RANKING if tested and TESTED_RANKING in files.names else RANKING
        models = [RANKING] if weights is None else [weights]
        needed = (*models, *_SMALL, SEEN_OFFSETS, SEEN_MOVIES)
        if missing := [name for name in needed if name not in files.names]:
            raise ReleaseError(
                f"The manifest of {shown(folder)} does not list {', '.join(missing)}. Publish it again."
            )
        small = [name for name in (*_SMALL, PRIOR) if name in files.names]
        ranked = _is_ranked(files)
        listing = {ranking, SEEN_LEVELS} if ranked else set()
        rest = files.names.keys() - {weights or ranking, *small, *listing, SEEN_OFFSETS, SEEN_MOVIES}
        parts = Parts(files, weights, ranking, tested=tested)
        with ThreadPoolExecutor(2) as pool:  # hashing lets go of the interpreter's lock
            seen = pool.submit(files.map, SEEN_MOVIES, np.int32, watch=parts.codes.watch_codes)
            tables = pool.submit(parts.read_weights)
            offsets = pool.submit(files.map, SEEN_OFFSETS, np.int64, watch=parts.offsets.watch_offsets)
            read = {name: pool.submit(files.read, name) for name in small}
            list(pool.map(files.check, sorted(rest)))
        parts.small = {name: future.result() for name, future in read.items()}
        release = parts.assemble(tables.result(), offsets=offsets.result(), seen=seen.result())
        return parts.add_ranking(release) if ranked else release


def _is_ranked(files: ReleaseFiles) -> bool:
    """Whether a release has a ranking model, which one of an earlier version lacks.

    Raises ReleaseError for one that has a part of it: its lists would be in another order than those published.
    """
    listed = {RANKING, TESTED_RANKING, SEEN_LEVELS} & files.names.keys()
    if not listed and not files.manifest.ranking:
        return False
    if missing := [name for name in (RANKING, SEEN_LEVELS) if name not in listed]:
        raise ReleaseError(
            f"The release {shown(files.folder.path)} has a ranking model, and its manifest does not list "
            f"{', '.join(missing)}. Publish it again."
        )
    return True


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
