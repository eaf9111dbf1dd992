"""Objects that were fetched as sources of ratings, in the caches of this host.

Each bucket has a folder, in which an object has the path of its name. A new version of an object replaces the earlier
one, and an object that is gone from the bucket leaves the folder when its source is read next.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from matinee.errors import ConfigError, StoreError
from matinee.errors.text import show_as, shown
from matinee.store.documents import read_as
from matinee.store.files import HIDDEN, remove_aside, replacing, write_json
from matinee.store.locks import lock_folder
from matinee.store.remote.address import RemoteAddress, cache_of, caches
from matinee.store.remote.objects import ListedObject
from matinee.store.user_cache import CACHE

_SOURCES: Final = "sources"  # of the caches
_OBJECTS, _STATE = "objects", "matinee-sources.json"
_LONGEST: Final = 255  # bytes of a file's name
_given: set[Path] = set()  # files that this process reads


class _State(BaseModel):
    """matinee-sources.json: which version of each object is here."""

    model_config = ConfigDict(extra="ignore")

    e_tags: dict[str, str] = {}
    files: dict[str, tuple[int, int]] = {}  # size and time of the file that has this version


def _print(path: Path) -> tuple[int, int]:
    """The size and the time of a file. They differ if a killed process has replaced it."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def is_file_name(key: str) -> bool:
    """Whether a file can have the name of an object."""
    return not any(
        part in ("", ".", "..") or "\0" in part or len(part.encode()) > _LONGEST for part in key.split("/")
    )


@dataclass(frozen=True)
class SourceCache:
    """The objects of a bucket that are on this host."""

    bucket: RemoteAddress
    folder: Path
    e_tags: dict[str, str]
    files: dict[str, tuple[int, int]]

    @property
    def root(self) -> Path:
        """The folder in which an object has the path of its name."""
        return self.folder / _OBJECTS

    def path(self, key: str) -> Path:
        """The file of an object. Raises ConfigError for a name that no file here can have."""
        if not is_file_name(key):
            raise ConfigError(
                f"The object {shown(key)} in {self.bucket.text} has a name that no file can have. Rename it, or give "
                "a pattern that leaves it out. Nothing was started."
            )
        return self.root / key

    def has(self, key: str, found: ListedObject) -> bool:
        """Whether this version of an object is here."""
        path = self.path(key)
        is_known = bool(found.e_tag) and self.e_tags.get(key) == found.e_tag
        return is_known and path.is_file() and self.files.get(key) == _print(path)

    def take(self, key: str, found: ListedObject, download: Callable[[Path], bool]) -> None:
        """Fetch an object, in place of an earlier version. Raises StoreError if it is changed meanwhile."""
        path = self.path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as fresh:
                if not download(fresh) or fresh.stat().st_size != found.size:
                    raise StoreError(
                        f"{self.bucket.text}/{shown(key)} was changed while it was fetched. Run the same command again."
                    )
        except (NotADirectoryError, FileExistsError, IsADirectoryError):
            raise ConfigError(
                f"{self.bucket.text} has an object whose name is also the folder of another one: {shown(key)}. Give a "
                "pattern that names one of them. Nothing was started."
            ) from None
        self.e_tags[key], self.files[key] = found.e_tag or "", _print(path)

    def give(self, keys: list[str]) -> None:
        """Keep files for this process, which reads them, when others are dropped."""
        _given.update(map(self.path, keys))

    def drop(self, is_gone: Callable[[str], bool]) -> None:
        """Remove the objects that are gone from the bucket."""
        for path in [path for path in self.root.rglob("*") if path.is_file()]:
            key = path.relative_to(self.root).as_posix()
            if is_gone(key):
                path.unlink()
                self.e_tags.pop(key, None)
                self.files.pop(key, None)
                _remove_empty(path.parent, self.root)


@contextlib.contextmanager
def source_cache(place: RemoteAddress) -> Iterator[SourceCache]:
    """The cache of a bucket, which one process of this host may change during the block.

    Raises StoreError if it can't be written.
    """
    bucket = RemoteAddress(place.scheme, place.bucket, "")
    folder = caches() / _SOURCES / cache_of(bucket).name
    with _writing(folder), lock_folder(folder):
        show_as(folder / _OBJECTS, bucket.text, with_files=True)
        state = _State()
        with contextlib.suppress(StoreError):  # absent or damaged: everything is fetched again
            state = read_as(folder / _STATE, _State)
        cache = SourceCache(bucket, folder, state.e_tags, state.files)
        cache.root.mkdir(exist_ok=True)
        try:
            yield cache
        finally:
            write_json(folder / _STATE, _State(e_tags=cache.e_tags, files=cache.files))


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The folder {folder} for ratings that are fetched can't be written: {error.strerror or error}. Free space "
            f"on its disk, or set {CACHE} to a folder that this user may write to."
        ) from error


def drop_sources(*, keep_given: bool = False) -> None:
    """Remove fetched sources from this host, because they may have the rows of an erased user.

    Args:
        keep_given: Whether the files that this process is about to read stay. They are as the bucket has them now.
    """
    try:
        folders = sorted((caches() / _SOURCES).glob("*"))
    except RuntimeError:  # this user has no home, so nothing was fetched
        return
    for folder in folders:
        if not folder.is_dir() or folder.is_symlink():
            continue
        with lock_folder(folder):  # a process that is fetching ends first
            if keep_given and any(path.is_relative_to(folder) for path in _given):
                for path in [path for path in folder.rglob("*") if path.is_file() and path.name != _STATE]:
                    if path not in _given:
                        path.unlink()
                        _remove_empty(path.parent, folder / _OBJECTS)
            elif folder.suffix == HIDDEN:
                shutil.rmtree(folder)
            else:
                remove_aside(folder)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder without files, and those around it, up to `root`."""
    with contextlib.suppress(OSError):  # it is not empty
        while folder != root:
            folder.rmdir()
            folder = folder.parent
