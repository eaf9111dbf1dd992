"""The seal of a folder: what its files held when it was made, so that a disk that has changed one is found out."""

import json
import os
from pathlib import Path
from typing import Any

from matinee.errors import ConfigError
from matinee.lineage import file_digest


def sync_folder(folder: Path) -> None:
    """Make sure that all files below a folder have reached the disk before anyone is told that it is whole."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def seal(folder: Path) -> dict[str, str]:
    """The digest of each file below a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def find_damage(folder: Path, manifest: str) -> tuple[list[str], dict[str, Any]]:
    """The files that hold something else than the manifest's `seal` says, and the manifest; {} if that is one of them.

    Files are read once a process. A folder without a seal is taken at its word. Raises OSError when a file that is
    there can't be read: that may pass, and is no reason to make anything anew.
    """
    try:
        told = json.loads((folder / manifest).read_text("utf-8"))
        files = dict(told.get("seal", {}))
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return [manifest], {}
    return [name for name, digest in files.items() if _digest(folder / name) != digest], told


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return ""
        raise error.__cause__ or error from None
