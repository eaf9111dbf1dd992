"""A drop folder in an object store: this host reads copies of its objects, and moves refused ones under `refused/`.

An object appears when all of it has been written, so none has to settle. An object without content may stand for a
folder, and is left out.
"""

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from matinee.errors import ConfigError, StoreError
from matinee.errors.text import show_as, shown
from matinee.ingest.inbox.drop import REFUSED, REFUSED_TOO, is_temporary, names_of_refused
from matinee.ingest.reading.object_sources import fetch_new
from matinee.store.identity import MARKER
from matinee.store.remote.address import RemoteAddress, check_separate, names_remote, parse_address
from matinee.store.remote.objects import ListedObject, Objects
from matinee.store.remote.source_cache import is_file_name, source_cache

log = logging.getLogger("matinee.run")

_LEFT_SECONDS: Final = 86_400.0


@dataclass(frozen=True)
class OpenDrop:
    """A drop folder as a folder of this host.

    Attributes:
        folder: The folder that a night looks at, and moves refused files in.
        source: The folder whose files a run reads afterwards.
    """

    folder: Path
    source: Path

    @property
    def has_copies(self) -> bool:
        """Whether the files are copies of objects, which are complete."""
        return self.folder != self.source

    def lasting(self, path: str) -> str:
        """The file of `source` for a file of `folder`; another file is as it was."""
        given = Path(path)
        return (
            str(self.source / given.relative_to(self.folder)) if given.is_relative_to(self.folder) else path
        )


@contextlib.contextmanager
def opened_drop(drop: str, *, store: str) -> Iterator[OpenDrop]:
    """The drop folder as a folder of this host.

    Args:
        drop: A path, or an address in an object store. Its objects are fetched, unless the cache of this host has them.
            Files that are moved to `refused` during the block are moved in the object store after it.
        store: The store of the run, as a path or an address.

    Yields:
        The folder. That of an address belongs to this block alone: other processes fetch and move files of their own.

    Raises:
        ConfigError: The store and the drop folder contain each other.
        StoreError: The object store can't be reached or denies access.
    """
    if not names_remote(drop):
        folder = Path(drop).absolute()
        yield OpenDrop(folder, folder)
        return
    check_separate(drop, store)
    remote = RemoteDrop(parse_address(drop))
    with contextlib.ExitStack() as held:
        source, folder, given = remote.fetch(held)
        show_as(folder, remote.address.text, with_files=True)
        try:
            yield OpenDrop(folder, source)
        finally:
            remote.move_refused(folder, given)


@dataclass(frozen=True)
class RemoteDrop:
    """The prefix of a drop folder."""

    address: RemoteAddress

    def dropped(self, there: Mapping[str, ListedObject] | None = None) -> dict[str, ListedObject]:
        """The objects by name, without those that are refused, temporary, empty, in a store, or no files by name.

        `there` are all objects, if they have been listed. Raises ConfigError if the prefix is a store or in one.
        """
        there = self._listed() if there is None else there
        self._refuse_store()
        unfit = _unfit(there)
        stores = [PurePosixPath(name).parent for name in there if PurePosixPath(name).name == MARKER]
        return {
            name: found
            for name, found in there.items()
            if found.size
            and name not in unfit
            and _is_dropped(name)
            and not any(map(PurePosixPath(name).is_relative_to, stores))
        }

    def fetch(self, held: contextlib.ExitStack) -> tuple[Path, Path, dict[str, ListedObject]]:
        """Bring the cache of this host up to date.

        Args:
            held: Removes the second folder when it is closed.

        Returns:
            The folder in the cache, another one with links to its files, and the objects by name.
        """
        listed = self._listed()
        for name in sorted(name for name in _unfit(listed) if listed[name].size and _is_dropped(name)):
            log.warning(
                "%s/%s was not read: no file here can have its name, or it is the folder of another object as well. "
                "Rename it.",
                self.address.text,
                shown(name),
            )
        given = self.dropped(listed)
        there = {self._key(name): found for name, found in given.items()}
        with source_cache(self.address) as cache:
            before = self._key("")
            cache.drop(
                lambda key: (
                    key.startswith(before) and key not in there and not _is_refused(key.removeprefix(before))
                )
            )
            fetch_new(cache, self._objects, there, name=self.address.text)
            source = cache.root / self.address.prefix
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir=_nights(cache.folder))))
            for name in given:
                _link(source / name, folder / name)
        return source, folder, given

    def move_refused(self, folder: Path, given: Mapping[str, ListedObject]) -> None:
        """Upload what a night has put under `refused/` in its folder, then remove the objects that it moved there.

        An object that was replaced meanwhile stays: an earlier version was refused. Uploads come first, so that a
        process that is killed loses nothing.
        """
        made = {
            path.relative_to(folder).as_posix(): path
            for top in (REFUSED, REFUSED_TOO)
            for path in sorted((folder / top).rglob("*"))
            if path.is_file()
        }
        for name, path in made.items():
            self._objects.upload(name, path)
        for name, fetched in given.items():
            if not (folder / name).exists() and any(place in made for place in names_of_refused(name)):
                found = self._objects.find(name)
                if found is not None and (found.e_tag, found.size) == (fetched.e_tag, fetched.size):
                    self._objects.delete([name])

    def _listed(self) -> dict[str, ListedObject]:
        return {each.key: each for each in self._objects.list("")}

    @property
    def _objects(self) -> Objects:
        return Objects(self.address)

    def _key(self, name: str) -> str:
        """The name of an object in the bucket."""
        return f"{self.address.prefix}/{name}" if self.address.prefix else name

    def _refuse_store(self) -> None:
        for place in (self.address, *self.address.parents):
            with contextlib.suppress(StoreError):  # these credentials may be for the prefix alone
                if Objects(place).exists(MARKER):
                    raise ConfigError(
                        f"The drop folder {self.address.text} is in the Matinee store {place.text}, whose files would "
                        "be read as ratings. Use a prefix outside of it. Nothing was started."
                    )


def _unfit(names: Iterable[str]) -> set[str]:
    """The names that no file in one folder of this host can have."""
    given = set(names)
    folders = {str(parent) for name in given for parent in PurePosixPath(name).parents}
    return {name for name in given if name in folders or not is_file_name(name)}


def _nights(cache: Path) -> Path:
    """The folder for folders of nights; those that killed processes have left are removed after a day."""
    nights = cache / "nights"
    nights.mkdir(exist_ok=True)
    for left in nights.iterdir():
        with contextlib.suppress(OSError):  # another process has removed it
            if time.time() - left.stat().st_mtime > _LEFT_SECONDS:
                shutil.rmtree(left)
    return nights


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where files have one name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _is_refused(name: str) -> bool:
    return name.partition("/")[0] in {REFUSED, REFUSED_TOO}


def _is_dropped(name: str) -> bool:
    """Whether a run reads an object of this name."""
    parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts)
    return not hidden and not _is_refused(name) and not is_temporary(Path(parts[-1]))
