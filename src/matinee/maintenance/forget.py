"""Erasure: one user leaves the store, and stays out when the same files are read again.

Folders of the pipeline that hold the user are removed; the next run makes them again, under other names, without the
user. Releases are written again and exchanged, each in one step, so that the champion answers all the while. A folder
that is damaged counts as holding the user. What can't be looked into, and can't be made again, ends the call with an
error that names it, once all else is done.
"""

import logging
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from safetensors import SafetensorError

from matinee.errors import MatineeError, StoreError
from matinee.maintenance.erase import erase_from_release, erase_from_split
from matinee.maintenance.traces import mentioned, names_user, row_of
from matinee.registry import Registry
from matinee.release import verify
from matinee.release.signature import check_signing
from matinee.store import Store
from matinee.store.checksums import find_damage, sync_folder
from matinee.store.disk_errors import io_error, writing
from matinee.store.documents import KINDS, MANIFEST, WORK
from matinee.store.erased_users import Forgotten
from matinee.store.files import exchange as _exchange
from matinee.store.files import replacing
from matinee.store.identity import entries_of, links_of
from matinee.store.versions import version_number

log = logging.getLogger(__name__)

# What is made of something goes before it: a forget that is cut off is found by what is left, and goes on.
_LAST_MADE_FIRST = KINDS[::-1]
_FRESH, _DOOMED = ".erased", ".pruned"  # what a killed forget leaves of the second kind, prune clears as well
_LISTS = re.compile(r"v[0-9]+\.parquet")
_LISTS_BEGUN = re.compile(r"\.v[0-9]+\.parquet\..+")


@dataclass(frozen=True)
class Erased:
    """What was done; who it was is told nowhere."""

    found: bool
    releases: list[str]  # written again
    folders: int  # removed, or written again, besides the releases


def forget(root: Path, user_id: int) -> Erased:
    """Erase a user from the store at `root` and keep the user out from now on, also one that is not in it yet.

    What a killed run left is removed as well, for it may hold the user. Raises ConfigError when there is no store
    or the signing key can't sign, StoreError while a run is under way: nothing is done then. Raises StoreError as
    well, with all else done, when something is left that may still hold the user: a damaged
    release, say.
    """
    registry = Registry.open(root)
    check_signing()  # a key that can't sign is no damage of a release
    with writing(root), Store(root).alone(), registry.lock():
        Forgotten.read(root).plus(user_id).write(root)
        erasure = _Erasure(registry, user_id)
        done = erasure.run()
        registry.record("forget", releases=done.releases, folders=done.folders)
    if erasure.unsure:
        raise StoreError(
            f"Forgotten: {', '.join(done.releases) or 'no release'} and {done.folders:,} other folders; rows of the "
            f"user stay out from now on. But this may still hold the user: {'; '.join(erasure.unsure)}. Once that is "
            "done, run the same command again."
        )
    return done


@dataclass(frozen=True)
class _Erasure:
    registry: Registry
    user_id: int
    unsure: list[str] = field(default_factory=list)  # what may still hold the user, and what to do about it

    def run(self) -> Erased:
        root = self.registry.root
        self._clear()
        whole = self.registry.versions()
        ours = [path.name for path in self._folders("releases") if path.name in whole]  # none behind a link
        releases = [version for version in sorted(ours, key=version_number) if self._erase_release(version)]
        self._name_odd_releases()
        folders = self._erase_folders(looked_up=self._looked_up())
        self._erase_from_lists(root / "recommendations")
        self._clear()
        return Erased(bool(releases or folders), releases, folders)

    def _clear(self) -> None:
        """Remove what is doomed and what killed runs left; a folder that was to be put in its place is put there."""
        for path in [path for kind in ("releases", *_LAST_MADE_FIRST) for path in self._folders(kind)]:
            place = path.with_suffix("")
            if path.suffix == _FRESH and (path / MANIFEST).exists() and not place.exists():
                path.rename(place)
            elif path.suffix in (_FRESH, _DOOMED, ".partial"):
                shutil.rmtree(path)
        for path in self._folders(WORK):
            shutil.rmtree(path)

    def _folders(self, kind: str) -> list[Path]:
        """The folders of a kind. Links are not followed, and of files that are none of ours a warning is given."""
        root, place = self.registry.root, self.registry.root / kind
        for link in links_of(root, kind):
            where = "put the folder itself there" if link == place else "remove it, and what it points to"
            self._doubt(f"{link} is a symbolic link, which is not followed: {where}")
        ours = entries_of(root, kind)
        if place.is_dir() and not place.is_symlink():
            for path in sorted(set(place.iterdir()) - set(ours)):
                if not path.is_symlink():
                    log.warning("%s does not belong to the store: it was left alone.", path)
        return ours

    def _doubt(self, said: str) -> None:
        if said not in self.unsure:
            self.unsure.append(said)

    def _erase_release(self, version: str) -> bool:
        folder = self.registry.folder(version)
        fresh = folder.with_name(f"{folder.name}{_FRESH}")
        try:
            verify(folder, public_key=False)  # whoever signed it or not
            code = row_of(folder / "users.parquet", self.user_id)
            if code is None:
                return False
            fresh.mkdir()
            erase_from_release(folder, fresh, code)
        except (
            MatineeError,
            pa.ArrowException,
            ValueError,
            LookupError,
            TypeError,
            SafetensorError,
        ) as error:
            if io_error(error) is not None:
                raise
            shutil.rmtree(fresh, ignore_errors=True)
            self._doubt(
                f"release {version} is damaged ({error!s:.300}): restore it from a backup or remove {folder}"
            )
            return False
        self._put(fresh, folder)
        return True

    def _name_odd_releases(self) -> None:
        whole = self.registry.versions()
        for path in self._folders("releases"):
            if path.name not in whole and path.suffix == "":
                self._doubt(f"{path} has no readable {MANIFEST}: restore it from a backup or remove it")

    def _looked_up(self) -> set[str]:
        """The splits that the gate looks rows up in: of a release whose split is no pure function of the ids."""
        return {
            split["digest"]
            for split in (manifest.get("split") for manifest in self.registry.manifests())
            if split and split.get("settings", {}).get("strategy", "stratified") != "stratified"
        }

    def _erase_folders(self, *, looked_up: set[str]) -> int:
        """Remove the folders that hold the user, or write them again; returns their number."""
        there = {path.name: path for kind in _LAST_MADE_FIRST for path in self._folders(kind)}
        found = {name for name, path in there.items() if self._may_hold(path)}
        refers = {name: mentioned(path) & there.keys() for name, path in there.items()}
        while more := {name for name, digests in refers.items() if digests & found} - found:
            found |= more
        touched = 0
        for name, path in there.items():  # in the order of the kinds
            if name in looked_up and not find_damage(path)[0]:
                touched += self._erase_split(path)
            elif name in found:
                _doom(path)
                touched += 1
        return touched

    def _may_hold(self, folder: Path) -> bool:
        try:
            return names_user(folder, self.user_id)
        except OSError as error:  # of the disk, and it may pass
            self._doubt(
                f"{folder} could not be read ({error.strerror}): check the disk and the folder's permissions"
            )
            return False

    def _erase_split(self, folder: Path) -> bool:
        """Write a split without the user; False where the user is not in it."""
        code = row_of(folder / "users.parquet", self.user_id)
        if code is None:
            return False
        fresh = folder.with_name(f"{folder.name}{_FRESH}")
        fresh.mkdir()
        erase_from_split(folder, fresh, code)
        self._put(fresh, folder)
        return True

    def _put(self, fresh: Path, folder: Path) -> None:
        """Put a folder in another's place, in one step where the file system can, and doom the other."""
        sync_folder(fresh)
        if _exchange(fresh, folder):
            _doom(fresh)
        else:
            _doom(folder)
            fresh.rename(folder)

    def _erase_from_lists(self, folder: Path) -> None:
        """Write the lists of each release without the user's; of some that a killed run began, nothing is left."""
        if folder.is_symlink():
            self._doubt(f"{folder} is a symbolic link, which is not followed: put the folder itself there")
            return
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.is_symlink() or not _LISTS.fullmatch(path.name):
                self._clear_lists_begun(path)
                continue
            try:
                table = pq.read_table(path)
                kept = table.filter(pc.field("user_id") != self.user_id)
            except (pa.ArrowException, ValueError, LookupError, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:  # of the disk, and it may pass
                    self._doubt(
                        f"{path} could not be read ({error.strerror}): check the disk, or remove the file"
                    )
                    continue
                log.warning("%s is damaged (%.200s) and was removed: recommend makes it again.", path, error)
                _remove(path)
                continue
            with replacing(path) as fresh:
                pq.write_table(kept, fresh, compression="zstd")

    @staticmethod
    def _clear_lists_begun(path: Path) -> None:
        if _LISTS_BEGUN.fullmatch(path.name) and not path.is_symlink():
            _remove(path)
        else:
            log.warning("%s does not belong to the store: it was left alone.", path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _doom(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}{_DOOMED}"))
