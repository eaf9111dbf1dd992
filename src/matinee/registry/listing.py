"""Which releases a store has, on this host or in an object store."""

from pathlib import Path

from matinee.store.documents import MANIFEST
from matinee.store.identity import check_readable
from matinee.store.remote import remote_of
from matinee.store.versions import is_version, version_number


def whole_versions(root: Path) -> list[str]:
    """The versions of all whole releases of a store, oldest first. Raises StoreError if they can't be listed."""
    if remote := remote_of(root):
        names = remote.folders.names("releases")
    else:
        check_readable(root)
        check_readable(root / "releases", listed=True)
        names = [path.name for path in (root / "releases").glob("v*") if _has_manifest(path)]
    return sorted(filter(is_version, names), key=version_number)


def highest_version(root: Path) -> int:
    """The highest number among the releases of a store, damaged ones included; 0 without any."""
    folders = (path.name for path in (root / "releases").glob("v*"))
    names = whole_versions(root) if remote_of(root) else folders
    return max(map(version_number, names), default=0)


def manifest_folder(root: Path, version: str) -> Path:
    """A folder with the manifest of a release; if the store is in an object store, it may have nothing else."""
    outline = remote.folders.outline("releases", version) if (remote := remote_of(root)) else None
    return outline or root / "releases" / version


def _has_manifest(folder: Path) -> bool:
    """Whether a release is whole. An unreadable release counts as whole; reading it raises the error."""
    try:
        return (folder / MANIFEST).exists()
    except OSError:
        return True
