"""What an object store has of a folder: its objects, and how a folder of the cache differs from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, NonNegativeInt, StringConstraints

from matinee.errors import StoreError
from matinee.store.digests import DIGEST, file_digest
from matinee.store.documents import MANIFEST
from matinee.store.remote.objects import ListedObject
from matinee.store.versions import is_version


class DamagedFolderError(StoreError):
    """The objects of a folder are missing or differ from what was written. Its `kind` is StoreError."""

    @property
    def kind(self) -> str:
        """`StoreError`, as for other damage."""
        return StoreError.__name__


class RemoteFile(BaseModel):
    """A file of a folder."""

    model_config = ConfigDict(frozen=True)

    size: NonNegativeInt
    digest: Annotated[str, StringConstraints(pattern=DIGEST.pattern)]


class Commit(BaseModel):
    """`kind/name/manifest.json`: the attempt that is the folder."""

    model_config = ConfigDict(frozen=True)

    attempt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    files: dict[Annotated[str, StringConstraints(pattern=r"^[^/\\\x00]+(/[^/\\\x00]+)*$")], RemoteFile]


@dataclass(frozen=True)
class StoredFolder:
    """A folder as a list of objects shows it; it is whole if it has a commit."""

    kind: str
    name: str
    commit: Commit | None
    manifest: bytes  # the object that makes it whole; empty without one
    files: list[ListedObject]  # of the attempt that is the folder
    unnamed: list[ListedObject]  # of other attempts

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(each.size for each in self.files)


def commit_key(kind: str, name: str) -> str:
    """The object that makes a folder whole."""
    return f"{kind}/{name}/{MANIFEST}"


def is_commit(found: ListedObject) -> bool:
    """Whether an object is the manifest of a folder, not a file of an attempt."""
    parts = found.key.split("/")
    return (
        len(parts) == 3 and parts[2] == MANIFEST and bool(is_version(parts[1]) or DIGEST.fullmatch(parts[1]))
    )


def is_at(folder: Path, commit: Commit) -> bool:
    """Whether a folder of the cache is that of a commit. Manifests name all files by their digests."""
    manifest, held = folder / MANIFEST, commit.files.get(MANIFEST)
    return held is not None and manifest.is_file() and file_digest(manifest) == held.digest


def differing_files(folder: Path, commit: Commit) -> set[str]:
    """The files of a folder that a commit does not have, or has with other digests, or that are missing."""
    here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return (here ^ commit.files.keys()) | {
        file for file in here & commit.files.keys() if file_digest(folder / file) != commit.files[file].digest
    }
