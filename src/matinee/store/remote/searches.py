"""Searches for settings of a store in an object store: plain files there, which one process at a time extends.

What the object store has is the truth. The process that extends a search brings its files into the cache of its host
first, and writes them back after each round of trials. What a killed process had not written back is computed again.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matinee.errors import StoreError
from matinee.store.documents import TRIALS, TUNINGS
from matinee.store.entries import entries_of
from matinee.store.identity import refuse_link
from matinee.store.locks import lock
from matinee.store.remote.files import RemoteFiles
from matinee.store.remote.turns import holder_of, turn


@dataclass(frozen=True)
class RemoteSearches:
    """The searches of a store in an object store; `files` are its plain files."""

    files: RemoteFiles

    def names(self) -> list[str]:
        """The digests of the searches there."""
        return sorted({name.split("/")[1] for name in self.files.names(f"{TUNINGS}/")})

    def listed(self) -> list[str]:
        """The digests of the searches, those of this host that were never written back included."""
        seen = {name.split("/")[1] for name in self.files.known(f"{TUNINGS}/")}
        here = {folder.name for folder in entries_of(self.files.root, TUNINGS)}
        return sorted({*self.names(), *here.difference(seen)})

    def bring(self, study: str) -> None:
        """Make the search of the cache the one there, unless a process of this host extends it.

        One that was never written back stays.
        """
        folder = self._folder(study)
        refuse_link(folder)
        with contextlib.suppress(FileNotFoundError):  # another process has just removed it
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if lock(handle, wait=False) and os.fstat(handle).st_ino == folder.stat().st_ino:
                    self._bring(study)
                    with contextlib.suppress(OSError):  # it is not empty
                        folder.rmdir()
            finally:
                os.close(handle)

    def bring_all(self) -> None:
        """Make all searches of the cache those there."""
        there = self.names()
        for study in there:
            self.bring(study)
        for study in {name.split("/")[1] for name in self.files.known(f"{TUNINGS}/")}.difference(there):
            self.bring(study)

    def share(self, study: str) -> None:
        """Write the files of a search back. No trial may be running.

        Raises StoreError if another process has written it back meanwhile: this one was stopped for too long.
        """
        place = f"{TUNINGS}/{study}"
        if not self.files.push_unchanged(f"{place}/{TRIALS}"):
            raise StoreError(
                f"Another process has continued the search {study} of {self._place} meanwhile. Run the same command "
                "again, which continues from there."
            )
        for path in sorted(self._folder(study).iterdir()):
            if path.suffix in (".json", ".toml", ".html") and not path.name.startswith("."):
                self.files.push(f"{place}/{path.name}")

    @contextlib.contextmanager
    def extending(self, study: str) -> Iterator[None]:
        """Keep other processes out of a search during the block, and bring its files first.

        Call it under the lock of the folder in the cache. Raises StoreError if a process on another host is in it.
        """
        with self._turn(study):
            self._bring(study)
            if not self._folder(study).is_dir():
                raise StoreError(
                    f"The search {study} of {self._place} was removed meanwhile. Run the same command again, which "
                    "begins it again."
                )
            yield

    def is_extended(self, study: str) -> bool:
        """Whether a process on any host extends a search."""
        return holder_of(self.files.objects, _turn_of(study)) is not None

    def remove(self, study: str) -> bool:
        """Remove a search there and from the cache; returns False if a process extends it."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self._turn(study))
            except StoreError:
                return False
            for name in self.files.names(f"{TUNINGS}/{study}/"):
                self.files.remove(name)
            self.files.objects.delete([_turn_of(study)])
            shutil.rmtree(self._folder(study), ignore_errors=True)
        return True

    @property
    def _place(self) -> str:
        return self.files.objects.address.text

    def _folder(self, study: str) -> Path:
        return self.files.root / TUNINGS / study

    def _turn(self, study: str) -> contextlib.AbstractContextManager[None]:
        what = f"the search {study} of {self._place}"
        return turn(self.files.objects, _turn_of(study), waits=False, what=what)

    def _bring(self, study: str) -> None:
        prefix = f"{TUNINGS}/{study}/"
        there = self.files.names(prefix)
        for name in there:
            self.files.pull(name, again=True)
        for name in self.files.known(prefix).difference(there):
            self.files.drop(name)


def _turn_of(study: str) -> str:
    return f"searches/{study}.json"
