"""The seal of a folder: what its files held when it was made, so that a disk that has changed one is found out."""

import os
import stat
from pathlib import Path
from typing import Any

from matinee.errors import ConfigError, StoreError
from matinee.store.digests import file_digest
from matinee.store.documents import MANIFEST, read_json


def sync_folder(folder: Path) -> None:
    """Make sure that all files below a folder have reached the disk before anyone is told that it is whole."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def compute_checksums(folder: Path) -> dict[str, str]:
    """The digest of each file below a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def find_damage(folder: Path) -> tuple[list[str], dict[str, Any]]:
    """The files that hold something else than the manifest's `seal` says, and the manifest; {} if that is one of them.

    Files are read once a process. A folder without a seal is taken at its word. Raises OSError when a file that is
    there can't be read: that may pass, and is no reason to make anything again.
    """
    try:
        told = read_json(folder / MANIFEST)
        files, rows = told.get("seal", {}), told["rows"]
        if not (isinstance(files, dict) and isinstance(rows, int)):
            return [MANIFEST], {}
    except StoreError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        return [MANIFEST], {}
    return [name for name, digest in files.items() if _digest(folder, name) != digest], told


def _digest(folder: Path, name: str) -> str:
    path = folder / name
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # a link or a pipe was not put there by a step
            return ""
        return file_digest(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return ""
        raise error.__cause__ or error from None
