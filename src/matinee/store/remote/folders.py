"""Folders of a store in an object store, each whole or absent.

The files of a folder are uploaded under the name of an attempt, `kind/name/ATTEMPT/file`. Then
`kind/name/manifest.json` is created, unless another attempt was faster. It names the attempt and the digests of files.
"""

import contextlib
import logging
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from matinee.errors import MatineeError, StoreError
from matinee.store import progress
from matinee.store.checksums import sync_folder
from matinee.store.digests import file_digest
from matinee.store.documents import MANIFEST
from matinee.store.files import exchange, remove_aside, write_bytes
from matinee.store.locks import lock_folder
from matinee.store.remote.objects import Content, ListedObject, Objects
from matinee.store.remote.stored import (
    Commit,
    DamagedFolderError,
    RemoteFile,
    StoredFolder,
    commit_key,
    differing_files,
    is_at,
    is_commit,
)
from matinee.store.remote.transfers import briefly, transfer_all

OUTLINES: Final = ".outlines"  # in a cache: manifests of folders that are not there as a whole
_NAMED: Final = 3  # files in a line of the log
_SIGNATURE: Final = f"{MANIFEST}.minisig"  # `sign` may add it later, so that a cache lacks it

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteFolders:
    """The folders of a store in an object store; `root` is the cache."""

    root: Path
    objects: Objects
    # Kind, name and attempt of folders of the cache that this process has compared.
    _sound: set[tuple[str, str, str]] = field(default_factory=set, init=False, compare=False)

    def has(self, kind: str, name: str) -> bool:
        """Whether a folder is whole there."""
        return self.objects.exists(commit_key(kind, name))

    def names(self, kind: str) -> list[str]:
        """The names of all whole folders of a kind, the last written first."""
        found = [each for each in self.objects.list(f"{kind}/") if is_commit(each)]
        found.sort(key=lambda each: each.modified, reverse=True)
        return [each.key.split("/")[1] for each in found]

    def push(
        self, kind: str, name: str, *, replaces: Content | None = None, reads_back: bool = False
    ) -> bool:
        """Upload a whole folder of the cache. Returns False if another attempt was faster, and is the folder now.

        Args:
            kind: The kind of the folder.
            name: Its name.
            replaces: The object that makes it whole now, if this attempt takes the place of an earlier one.
            reads_back: Whether to read all files back before the folder counts as whole.

        Raises:
            DamagedFolderError: What was read back differs; the folder is as before.
        """
        folder, attempt = self.root / kind / name, uuid.uuid4().hex[:12]
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        files = {
            file: RemoteFile(size=path.stat().st_size, digest=file_digest(path))
            for file, path in sorted(paths.items())
        }
        keys = {file: f"{kind}/{name}/{attempt}/{file}" for file in files}
        progress.begin(f"uploading {kind}", total=sum(each.size for each in files.values()), unit="bytes")
        try:
            transfer_all(partial(self.objects.upload, keys[file], path) for file, path in paths.items())
            commit = Commit(attempt=attempt, files=files)
            if reads_back:
                self._read_back(kind, name, commit)
        except BaseException:
            with briefly():
                self._drop(keys.values())
            raise
        content = commit.model_dump_json().encode()
        # An error of this request does not say whether it arrived, so the files stay: prune removes those of no folder.
        if replaces is None:
            won = self.objects.create(commit_key(kind, name), content)
        else:
            won = self.objects.swap(commit_key(kind, name), content, replaces.tag)
        if not won:
            self._drop(keys.values())
        return won

    def _drop(self, keys: Iterable[str]) -> None:
        """Remove the files of an attempt that did not become a folder; prune removes what is left."""
        with contextlib.suppress(MatineeError):
            self.objects.delete([*keys])

    def _read_back(self, kind: str, name: str, commit: Commit) -> None:
        copy = self.root / kind / f"{name}.partial"
        with lock_folder(copy):
            try:
                _clear(copy)
                self._download(kind, name, commit, copy)
            finally:
                shutil.rmtree(copy, ignore_errors=True)

    def replace(self, folder: StoredFolder, *, reads_back: bool = False) -> None:
        """Upload a folder of the cache in place of one that is stored, whose files are removed."""
        found = self.objects.get(commit_key(folder.kind, folder.name))
        is_same = found is not None and found.data == folder.manifest
        if not is_same or not self.push(folder.kind, folder.name, replaces=found, reads_back=reads_back):
            raise StoreError(
                f"{folder.kind}/{folder.name} of {self.objects.address.text} was changed by another process meanwhile. "
                "Run the same command again."
            )
        self.objects.delete([each.key for each in folder.files])

    def pull(self, kind: str, name: str, *, again: bool = False) -> bool:
        """Make the folder of the cache the one that is whole there; returns False if there is none.

        Args:
            kind: The kind of the folder.
            name: Its name.
            again: Whether to read the objects also if the cache has it; a sound folder of the cache stays.

        Raises:
            DamagedFolderError: A file there is missing or differs from its digest.
        """
        while (commit := self._commit(kind, name)) is not None:
            try:
                self._pull(kind, name, commit, again=again)
                return True
            except StoreError:
                if self._commit(kind, name) == commit:  # it was not removed or replaced meanwhile
                    raise
        return False

    def _pull(self, kind: str, name: str, commit: Commit, *, again: bool) -> None:
        target, place = self.root / kind / name, (kind, name, commit.attempt)
        if not again and place in self._sound and is_at(target, commit):
            return
        unfinished = target.with_name(f"{name}.partial")
        with lock_folder(unfinished):  # processes of this host download a folder once
            is_here = is_at(target, commit) and self._is_sound(target, commit)
            try:
                if again or not is_here:
                    _clear(unfinished)
                    self._download(kind, name, commit, unfinished)
                if not is_here:
                    sync_folder(unfinished)
                    _put(unfinished, target)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            if is_here:
                shutil.rmtree(unfinished, ignore_errors=True)
        self._sound.add(place)

    def _is_sound(self, folder: Path, commit: Commit) -> bool:
        """Whether the files of a folder of the cache are those of a commit. A process looks once."""
        differing = sorted(differing_files(folder, commit))
        if differing and differing != [_SIGNATURE]:
            place = f"{folder.parent.name}/{folder.name}"
            log.warning(
                "%s of the cache differs from that of %s (%s) and is fetched again.",
                place,
                self.objects.address.text,
                ", ".join(differing[:_NAMED]),
            )
        return not differing

    def outline(self, kind: str, name: str) -> Path | None:
        """A folder with at least the manifest of the stored one; None if it is not stored."""
        whole, outline = self.root / kind / name, self.root / OUTLINES / kind / name
        while (commit := self._commit(kind, name)) is not None:
            for folder in (whole, outline):
                if is_at(folder, commit):
                    return folder
            if found := self.objects.get(f"{kind}/{name}/{commit.attempt}/{MANIFEST}"):
                outline.mkdir(parents=True, exist_ok=True)
                write_bytes(outline / MANIFEST, found.data)
                return outline
            if self._commit(kind, name) == commit:  # it was not removed or replaced meanwhile
                raise self._damaged(kind, name, MANIFEST)
        return None

    def find(self, kind: str, name: str) -> StoredFolder:
        """What is there of one folder, whole or not."""
        return self._stored(kind, name, self.objects.list(f"{kind}/{name}/"))

    def stored(self, kind: str) -> list[StoredFolder]:
        """All folders of a kind, also those that are not whole."""
        by_name: dict[str, list[ListedObject]] = {}
        for each in self.objects.list(f"{kind}/"):
            by_name.setdefault(each.key.split("/")[1], []).append(each)
        return [self._stored(kind, name, found) for name, found in by_name.items()]

    def _stored(self, kind: str, name: str, found: list[ListedObject]) -> StoredFolder:
        content = self.objects.get(commit_key(kind, name)) if any(map(is_commit, found)) else None
        commit = None if content is None else self._parse(kind, name, content)
        ours = f"{kind}/{name}/{commit.attempt}/" if commit else "-"
        files = [each for each in found if not is_commit(each)]
        return StoredFolder(
            kind=kind,
            name=name,
            commit=commit,
            manifest=content.data if content else b"",
            files=[each for each in files if each.key.startswith(ours)],
            unnamed=[each for each in files if not each.key.startswith(ours)],
        )

    def read_json(self, folder: StoredFolder) -> dict[str, bytes]:
        """The JSON files of a whole folder, by name; those in the cache are not fetched."""
        here = self.root / folder.kind / folder.name
        cached = folder.commit is not None and is_at(here, folder.commit)
        texts = {}
        for file in folder.commit.files if folder.commit else ():
            if "/" in file or not file.endswith(".json"):
                continue
            key = f"{folder.kind}/{folder.name}/{folder.commit.attempt if folder.commit else ''}/{file}"
            found = None if cached else self.objects.get(key)
            if not cached and found is None:
                raise self._damaged(folder.kind, folder.name, file)
            texts[file] = found.data if found else (here / file).read_bytes()
        return texts

    def withdraw(self, folder: StoredFolder) -> None:
        """Make a whole folder absent; its files stay until they are removed."""
        self.objects.delete([commit_key(folder.kind, folder.name)])

    def put_back(self, folder: StoredFolder) -> None:
        """Make a folder whole again that was withdrawn, unless another attempt has become the folder."""
        if not self.objects.create(commit_key(folder.kind, folder.name), folder.manifest):
            self.objects.delete([each.key for each in folder.files])

    def _commit(self, kind: str, name: str) -> Commit | None:
        found = self.objects.get(commit_key(kind, name))
        return None if found is None else self._parse(kind, name, found)

    def _parse(self, kind: str, name: str, found: Content) -> Commit:
        try:
            return Commit.model_validate_json(found.data)
        except ValidationError:
            raise DamagedFolderError(
                f"{self.objects.address.text}/{commit_key(kind, name)} is damaged, so the folder can't be read. "
                "Restore it from an earlier version of the object, or remove it: a later run computes the folder of a "
                "step again."
            ) from None

    def _download(self, kind: str, name: str, commit: Commit, folder: Path) -> None:
        progress.begin(
            f"fetching {kind}", total=sum(each.size for each in commit.files.values()), unit="bytes"
        )
        transfer_all(
            partial(self.objects.download, f"{kind}/{name}/{commit.attempt}/{file}", folder / file)
            for file in commit.files
        )
        if differing := sorted(differing_files(folder, commit)):
            raise self._damaged(kind, name, differing[0])

    def _damaged(self, kind: str, name: str, file: str) -> DamagedFolderError:
        place = f"{self.objects.address.text}/{kind}/{name}"
        if kind == "releases":
            advice = "Restore it from an earlier version of the object, or roll back to another release."
        else:
            advice = f"Remove {place}/{MANIFEST}; the next run computes the folder again."
        return DamagedFolderError(f"The file {file} of {place} is missing or was changed. {advice}")


def _put(fresh: Path, target: Path) -> None:
    """Give a fetched folder its name. One that is there is replaced in one step if the file system can."""
    if not target.is_dir():
        fresh.rename(target)
        return
    with lock_folder(target):  # its name becomes `fresh`, which nobody may use before it is removed
        if exchange(fresh, target):
            shutil.rmtree(fresh, ignore_errors=True)
            return
    remove_aside(target)
    fresh.rename(target)


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
