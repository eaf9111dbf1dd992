"""A drop folder in an object store: this host reads copies of its objects, and moves refused ones under `refused/`.

An object appears when all of it has been written, so none has to settle. An object without content may stand for a
folder, and is left out.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from matinee.errors import ConfigError, StoreError
from matinee.errors.text import shown
from matinee.ingest.inbox.drop import REFUSED, REFUSED_TOO, is_temporary, names_of_refused
from matinee.ingest.reading.object_sources import fetch_new
from matinee.store.identity import MARKER
from matinee.store.remote.address import RemoteAddress, check_separate, names_remote, parse_address
from matinee.store.remote.objects import ListedObject, Objects
from matinee.store.remote.source_cache import SourceCache, is_file_name, source_cache

log = logging.getLogger("matinee.run")


@contextlib.contextmanager
def opened_drop(drop: str, *, store: str) -> Iterator[tuple[Path, bool]]:
    """The drop folder as a folder of this host.

    Args:
        drop: A path, or an address in an object store. Its objects are fetched, unless the cache of this host has them.
            Files that are moved to its folder `refused` during the block are moved in the object store after it.
        store: The store of the run, as a path or an address.

    Yields:
        The folder, and whether it has copies of objects.

    Raises:
        ConfigError: The store and the drop folder contain each other, or an object has a name that no file can have.
        StoreError: The object store can't be reached or denies access.
    """
    if not names_remote(drop):
        yield Path(drop).absolute(), False
        return
    check_separate(drop, store)
    remote = RemoteDrop(parse_address(drop))
    folder = remote.fetch()
    try:
        yield folder, True
    finally:
        remote.move_refused()


@dataclass(frozen=True)
class RemoteDrop:
    """The prefix of a drop folder."""

    address: RemoteAddress

    def dropped(self) -> dict[str, ListedObject]:
        """The objects by name, without those that are refused, temporary, empty, in a store, or no files by name.

        Raises ConfigError if the prefix is a store or in one.
        """
        there = self._listed()
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

    def fetch(self) -> Path:
        """Bring the folder of this host up to date, and return it."""
        there = {self._key(name): found for name, found in self.dropped().items()}
        listed = self._listed()
        for name in sorted(name for name in _unfit(listed) if listed[name].size and _is_dropped(name)):
            log.warning(
                "%s/%s was not read: no file here can have its name, or it is the folder of another object as well. "
                "Rename it.",
                self.address.text,
                shown(name),
            )
        with source_cache(self.address) as cache:
            before = self._key("")
            cache.drop(
                lambda key: (
                    key.startswith(before) and key not in there and not _is_refused(key.removeprefix(before))
                )
            )
            fetch_new(cache, self._objects, there, name=self.address.text)
            folder = self._folder(cache)
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def move_refused(self) -> None:
        """Upload what this host has put under `refused/`, then remove the objects that were moved there.

        An object that was replaced meanwhile stays: an earlier version was refused. Uploads come first, so that a
        process that is killed loses nothing.
        """
        with source_cache(self.address) as cache:
            folder = self._folder(cache)
            made = {
                path.relative_to(folder).as_posix(): path
                for top in (REFUSED, REFUSED_TOO)
                for path in sorted((folder / top).rglob("*"))
                if path.is_file()
            }
            for name, path in made.items():
                self._objects.upload(name, path)
            before = self._key("")
            fetched = [key.removeprefix(before) for key in cache.e_tags if key.startswith(before)]
            for name in fetched:
                moved = None if (folder / name).exists() else _refused_copy(name, made)
                if moved is not None:
                    self._remove(name, e_tag=cache.e_tags.pop(self._key(name)), size=moved.stat().st_size)
            for path in made.values():
                path.unlink()

    def _listed(self) -> dict[str, ListedObject]:
        return {each.key: each for each in self._objects.list("")}

    @property
    def _objects(self) -> Objects:
        return Objects(self.address)

    def _key(self, name: str) -> str:
        """The name of an object in the bucket."""
        return f"{self.address.prefix}/{name}" if self.address.prefix else name

    def _folder(self, cache: SourceCache) -> Path:
        return cache.root / self.address.prefix

    def _remove(self, name: str, *, e_tag: str, size: int) -> None:
        """Remove an object, if it is the one that was fetched."""
        found = self._objects.find(name)
        if found is not None and (found.e_tag, found.size) == (e_tag, size):
            self._objects.delete([name])

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


def _refused_copy(name: str, made: Mapping[str, Path]) -> Path | None:
    """The file that an object became under `refused/`; None if it is missing for another reason."""
    return next((made[place] for place in names_of_refused(name) if place in made), None)


def _is_refused(name: str) -> bool:
    return name.partition("/")[0] in {REFUSED, REFUSED_TOO}


def _is_dropped(name: str) -> bool:
    """Whether a run reads an object of this name."""
    parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts)
    return not hidden and not _is_refused(name) and not is_temporary(Path(parts[-1]))
