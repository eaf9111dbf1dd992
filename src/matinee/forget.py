"""Erasure: one user leaves the store, and stays out when the same files are read again.

Folders of the pipeline that hold the user are removed; the next run makes them anew, under other names, without the
user. Releases are written anew and exchanged, each in one step, so that the champion answers all the while.
"""

import ctypes
import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matinee.erase import erase_from_release, erase_from_split
from matinee.forgotten import Forgotten, numbers
from matinee.registry import Registry
from matinee.release import MANIFEST, read_manifest
from matinee.seal import sync_folder
from matinee.store import Store, writing

# What is made of something goes before it: a forget that is cut off is found by what is left, and goes on.
_KINDS = ("evaluations", "candidates", "splits", "encodings", "datasets", "partitions")
_FRESH, _DOOMED = ".erased", ".pruned"  # what a killed forget leaves of the second kind, prune clears as well
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_HERE = -100  # AT_FDCWD


@dataclass(frozen=True)
class Erased:
    """What was done; who it was is told nowhere."""

    found: bool
    releases: list[str]  # written anew
    folders: int  # removed, or written anew, besides the releases


def forget(root: Path, user_id: int) -> Erased:
    """Erase a user from the store at `root` and keep the user out from now on, also one that is not in it yet.

    What a killed run left is removed as well, for it may hold the user. Raises ConfigError when there is no store,
    StoreError while a run is under way: nothing is done then.
    """
    registry = Registry.open(root)
    with writing(root), Store(root).alone(), registry.lock():
        Forgotten.read(root).plus(user_id).write(root)
        _clear(root)
        releases = [version for version in registry.versions() if _erase_release(registry, version, user_id)]
        folders = _erase_folders(root, user_id, looked_up=_looked_up(registry))
        _erase_from_lists(root / "recommendations", user_id)
        _clear(root)
        registry.record("forget", releases=releases, folders=folders)
    return Erased(bool(releases or folders), releases, folders)


def _clear(root: Path) -> None:
    """Remove what is doomed and what killed runs left; a folder that was to be put in its place is put there."""
    for path in [path for kind in ("releases", *_KINDS) for path in _entries(root / kind)]:
        place = path.with_suffix("")
        if path.suffix == _FRESH and (path / MANIFEST).exists() and not place.exists():
            path.rename(place)
        elif path.suffix in (_FRESH, _DOOMED, ".partial"):
            shutil.rmtree(path)
    shutil.rmtree(root / "work", ignore_errors=True)


def _erase_release(registry: Registry, version: str, user_id: int) -> bool:
    folder = registry.folder(version)
    code = _code(folder, user_id)
    if code is not None:
        fresh = _beside(folder)
        erase_from_release(folder, fresh, code)
        _put(fresh, folder)
    return code is not None


def _looked_up(registry: Registry) -> set[str]:
    """The splits that the gate looks rows up in: of a release whose split is no pure function of the ids."""
    splits = [read_manifest(registry.folder(version)).get("split", {}) for version in registry.versions()]
    return {
        split["digest"]
        for split in splits
        if split.get("settings", {}).get("strategy", "stratified") != "stratified"
    }


def _erase_folders(root: Path, user_id: int, *, looked_up: set[str]) -> int:
    """Remove the folders that hold the user, or write them anew; returns their number."""
    there = {path.name: path for kind in _KINDS for path in _entries(root / kind)}
    found = {name for name, path in there.items() if _names_user(path, user_id)}
    refers = {name: _mentioned(path) & there.keys() for name, path in there.items()}
    while more := {name for name, digests in refers.items() if digests & found} - found:
        found |= more
    touched = 0
    for name, path in there.items():  # in the order of the kinds
        code = _code(path, user_id) if name in looked_up else None
        if code is not None:
            fresh = _beside(path)
            erase_from_split(path, fresh, code)
            _put(fresh, path)
        elif name in found - looked_up:
            _doom(path)
        else:
            continue
        touched += 1
    return touched


def _erase_from_lists(folder: Path, user_id: int) -> None:
    """Write the lists of each release anew without the user's; of some that a killed run began, nothing is left."""
    for path in _entries(folder):
        if path.name.startswith("."):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            continue
        table = pq.read_table(path)
        fresh = path.with_name(f".{path.name}{_FRESH}")
        pq.write_table(table.filter(pc.field("user_id") != user_id), fresh, compression="zstd")
        fresh.replace(path)


def _entries(kind: Path) -> list[Path]:
    return sorted(kind.iterdir()) if kind.is_dir() else []


def _names_user(folder: Path, user_id: int) -> bool:
    """Whether the folder's own tables hold the id."""
    if any(_place(folder / name, user_id) is not None for name in ("user_id.parquet", "users.parquet")):
        return True
    rejects = folder / "rejects.parquet"
    if not rejects.exists():
        return False
    raw = pq.read_table(rejects, columns=["raw"])["raw"]
    likely = raw.filter(pc.match_substring(raw, str(abs(user_id))))
    return any(user_id in numbers(text) for text in likely.to_pylist())


def _code(folder: Path, user_id: int) -> int | None:
    return _place(folder / "users.parquet", user_id)


def _place(table: Path, user_id: int) -> int | None:
    """The row of a table of users that has the id."""
    if not table.exists():
        return None
    rows = np.flatnonzero(pq.read_table(table, columns=["user_id"])["user_id"].to_numpy() == user_id)
    return int(rows[0]) if len(rows) else None


def _mentioned(folder: Path) -> set[str]:
    """All words in the JSON of a folder: the digests of what it was made of are among them."""
    return {
        word for file in folder.glob("*.json") for word in re.findall(r'"(\w+)"', file.read_text("utf-8"))
    }


def _beside(folder: Path) -> Path:
    fresh = folder.with_name(f"{folder.name}{_FRESH}")
    fresh.mkdir()
    return fresh


def _put(fresh: Path, folder: Path) -> None:
    """Put a folder in another's place, in one step where the file system can, and doom the other."""
    sync_folder(fresh)
    if _exchange(fresh, folder):
        _doom(fresh)
    else:
        _doom(folder)
        fresh.rename(folder)


def _doom(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}{_DOOMED}"))


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically (renameat2 of Linux); False where system or file system does not know how."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(one))
