"""The folders of a store by kind: whole, unfinished, to be deleted, or links."""

from pathlib import Path

from matinee.store.digests import DIGEST
from matinee.store.documents import MANIFEST
from matinee.store.versions import is_version

_ENDINGS = {"", ".partial", ".pruned", ".erased"}  # of folders: whole, unfinished, to be deleted, rewritten


def entries_of(root: Path, kind: str) -> list[Path]:
    """The folders of one kind, named by a digest or a version, also unfinished ones and those to be deleted.

    Other files and targets of symbolic links are not listed.
    """
    folder, is_ours = root / kind, is_version if kind == "releases" else DIGEST.fullmatch
    if folder.is_symlink() or not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if is_ours(path.name.partition(".")[0])
        and path.suffix in _ENDINGS
        and path.is_dir()
        and not path.is_symlink()
    ]


def complete_folders(root: Path, kind: str) -> list[Path]:
    """The folders of one kind that have a manifest."""
    return [folder for folder in entries_of(root, kind) if is_complete(folder)]


def is_complete(folder: Path) -> bool:
    """Whether a folder has a manifest and is not about to be deleted or replaced."""
    return folder.suffix == "" and (folder / MANIFEST).is_file()


def links_of(root: Path, kind: str) -> list[Path]:
    """The symbolic links among the folders of one kind."""
    folder = root / kind
    if folder.is_symlink():
        return [folder]
    return [path for path in sorted(folder.iterdir()) if path.is_symlink()] if folder.is_dir() else []
