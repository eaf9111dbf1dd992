"""The plain files of a store in an object store, `files/NAME`: the series, lists for all users, titles, and so on.

The last writer of a file wins, but not of a search. A file of the cache is replaced if its object has changed.
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matinee.store.digests import file_digest
from matinee.store.documents import DONE, FORGOTTEN, SERIES, TUNED, TUNINGS
from matinee.store.files import replacing, write_json
from matinee.store.locks import lock_folder
from matinee.store.remote.objects import ListedObject, Objects

PICTURE: Final = "progressive.png"
PRUNED: Final = "pruned.json"
ROOT_FILES: Final = (FORGOTTEN, SERIES, PICTURE, DONE, TUNED, PRUNED)
FOLDERS: Final = ("titles", "recommendations")
_STATE: Final = "matinee-remote-files.json"  # in a cache: the ETag of each file there


@dataclass(frozen=True)
class RemoteFiles:
    """The plain files of a store in an object store; `root` is the cache."""

    root: Path
    objects: Objects

    def refresh(self) -> set[str]:
        """Make the files of the cache those of the object store; large ones, such as lists, wait until `pull`.

        Returns the names of those that have changed.
        """
        with lock_folder(self.root / "files"):
            before = {name: _bytes(self.root / name) for name in ROOT_FILES}
            there = {each.key.removeprefix("files/"): each for each in self.objects.list("files/")}
            known = self._known()
            for name in ROOT_FILES:
                if name not in there:
                    if known.pop(name, None):  # a file that was never there waits for its push
                        (self.root / name).unlink(missing_ok=True)
                elif not (self.root / name).is_file() or known.get(name) != _plain(there[name].e_tag):
                    self._fetch(name)
                    known[name] = _plain(there[name].e_tag)
            write_json(self.root / _STATE, {**known})
            return {name for name in ROOT_FILES if _bytes(self.root / name) != before[name]}

    def pull(self, name: str, *, again: bool = False) -> bool:
        """Bring one file into the cache; returns False if there is none. With `again`, it is fetched in any case."""
        with lock_folder(self.root / "files"):
            there = next(
                (each for each in self.objects.list(_folder_of(name)) if each.key == _key(name)), None
            )
            if there is None:
                (self.root / name).unlink(missing_ok=True)
                return False
            known = self._known()
            if again or not (self.root / name).is_file() or known.get(name) != _plain(there.e_tag):
                self._fetch(name)
                write_json(self.root / _STATE, {**known, name: _plain(there.e_tag)})
        return True

    def pull_all(self) -> None:
        """Bring all files but those of searches into the cache, and remove from it those that are gone there."""
        there = {name for name in self.names() if not _is_of_search(name)}
        for name in there:
            self.pull(name)
        for name in self.known().difference(there):  # a file that was never there waits for its push
            if not _is_of_search(name):
                self.drop(name)

    def push(self, name: str, *, reads_back: bool = False) -> bool:
        """Write a file of the cache to the object store. Returns False if it differs when it is read back."""
        with lock_folder(self.root / "files"):
            e_tag = self.objects.upload(_key(name), self.root / name)
            if reads_back and not self._is_there(name):
                return False  # unknown, so the next `pull` fetches it
            write_json(self.root / _STATE, {**self._known(), name: _plain(e_tag)})
            return True

    def push_unchanged(self, name: str) -> bool:
        """Write a file of the cache, unless the object is another one than the cache has had; returns whether it did.

        The file is read into memory.
        """
        with lock_folder(self.root / "files"):
            data, there = (self.root / name).read_bytes(), self.objects.get(_key(name))
            if there is None:
                is_ours = self.objects.create(_key(name), data)
            else:
                is_known = _plain(there.tag.get("e_tag")) == self._known().get(name)
                is_ours = is_known and self.objects.swap(_key(name), data, there.tag)
            written = self.objects.get(_key(name)) if is_ours else None
            if written is None or written.data != data:
                return False
            write_json(self.root / _STATE, {**self._known(), name: _plain(written.tag.get("e_tag"))})
            return True

    def _is_there(self, name: str) -> bool:
        """Whether the object of a file has its bytes."""
        here = self.root / name
        copy = here.with_name(f".{here.name}.read-back")
        try:
            return self.objects.download(_key(name), copy) and file_digest(copy) == file_digest(here)
        finally:
            copy.unlink(missing_ok=True)

    def drop_state(self, name: str) -> None:
        """Fetch a file at its next `pull`, unless it was pushed by then. Call it before the cache's file is changed."""
        with lock_folder(self.root / "files"):
            known = self._known()
            if known.pop(name, None) is not None:
                write_json(self.root / _STATE, {**known})

    def remove(self, name: str) -> None:
        """Remove a file here and there."""
        self.objects.delete([_key(name)])
        self.drop_state(name)
        (self.root / name).unlink(missing_ok=True)

    def names(self, prefix: str = "") -> list[str]:
        """The files there whose names have a prefix."""
        found = (each.key.removeprefix("files/") for each in self.listed(prefix))
        return [name for name in found if name.startswith(prefix)]

    def listed(self, prefix: str = "") -> list[ListedObject]:
        """The objects of the files in the folder that a prefix names."""
        return self.objects.list(_folder_of(prefix))

    def known(self, prefix: str = "") -> set[str]:
        """The files whose names have a prefix that the cache has had from there."""
        return {name for name in self._known() if name.startswith(prefix)}

    def drop(self, name: str) -> None:
        """Remove a file of the cache, and its folder if nothing else is in it."""
        self.drop_state(name)
        self._remove_here(name)
        if "/" in name:
            with contextlib.suppress(OSError):
                (self.root / name).parent.rmdir()

    def _remove_here(self, name: str) -> None:
        path = self.root / name
        path.with_name(f"{path.name}-journal").unlink(
            missing_ok=True
        )  # SQLite would apply it to a later database
        path.unlink(missing_ok=True)

    def _fetch(self, name: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as fresh:
            self.objects.download(_key(name), fresh)
            path.with_name(f"{path.name}-journal").unlink(
                missing_ok=True
            )  # SQLite would apply it to this database

    def _known(self) -> dict[str, str]:
        try:
            found = json.loads((self.root / _STATE).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return (
            {str(name): _plain(str(e_tag)) for name, e_tag in found.items()}
            if isinstance(found, dict)
            else {}
        )


def _plain(e_tag: str | None) -> str:
    """An ETag without its quotes, which Azure leaves out in lists alone."""
    return (e_tag or "").strip('"')


def _is_of_search(name: str) -> bool:
    return name.startswith(f"{TUNINGS}/")


def _key(name: str) -> str:
    return f"files/{name}"


def _folder_of(name: str) -> str:
    return f"{_key(name).rpartition('/')[0]}/"


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
