"""Checksums of the files of a folder, by which later damage is found. The manifest holds them under the key `seal`."""

import os
import stat
from pathlib import Path

from matinee.errors import ConfigError, StoreError
from matinee.store.digests import file_digest
from matinee.store.documents import MANIFEST, Document, read_json


def sync_folder(folder: Path) -> None:
    """Wait until all files below a folder are on the disk."""
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


def find_damage(folder: Path) -> tuple[list[str], Document]:
    """Find the files that differ from their checksum in the manifest.

    Files are read once per process. A folder without checksums counts as undamaged.

    Returns:
        The names of the damaged files, and the manifest; it is empty if the manifest itself is damaged.

    Raises:
        OSError: An existing file can't be read. That may be temporary, so it does not count as damage.
    """
    try:
        manifest = read_json(folder / MANIFEST)
        files, rows = manifest.get("seal", {}), manifest["rows"]
        if not (isinstance(files, dict) and isinstance(rows, int)):
            return [MANIFEST], Document({})
    except StoreError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        return [MANIFEST], Document({})
    return [name for name, digest in files.items() if _digest(folder, name) != digest], manifest


def _digest(folder: Path, name: str) -> str:
    path = folder / name
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # steps write no links or pipes
            return ""
        return file_digest(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return ""
        raise error.__cause__ or error from None
