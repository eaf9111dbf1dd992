"""`matinee forget`: erase a user from a store, and skip the user's rows in future.

Folders of steps that contain the user are removed. The next run computes them again without the user, under other
names. Releases are rewritten and exchanged in one step each, so that the champion can be used all the time. A damaged
folder counts as containing the user. If something can neither be read nor computed again, an error names it at the end.
"""

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from safetensors import SafetensorError

from matinee.errors import MatineeError
from matinee.maintenance.erase import erase_from_release, erase_from_split
from matinee.maintenance.remote_forget import UnsureError, forget_remote
from matinee.maintenance.removal import hide
from matinee.maintenance.user_search import has_user, mentioned, row_of
from matinee.registry import Registry
from matinee.release import verify
from matinee.release.signature import check_signing
from matinee.store import Store, progress
from matinee.store.checksums import find_damage, sync_folder
from matinee.store.disk_errors import io_error, writing
from matinee.store.documents import KINDS, MANIFEST, WORK
from matinee.store.entries import entries_of, links_of
from matinee.store.erased_users import ErasedUser, Forgotten
from matinee.store.files import HIDDEN, replacing
from matinee.store.files import exchange as _exchange
from matinee.store.folders import remove_file, remove_tree, rename_within
from matinee.store.remote import remote_of
from matinee.store.remote.source_cache import drop_sources
from matinee.store.versions import version_number

log = logging.getLogger(__name__)

# Folders are removed before their inputs, so that an interrupted forget finds the rest when it is repeated.
_LAST_MADE_FIRST = KINDS[::-1]
_FRESH = ".erased"
_LISTS = re.compile(r"v[0-9]+\.parquet")
_LISTS_BEGUN = re.compile(r"\.v[0-9]+\.parquet\..+")


@dataclass(frozen=True)
class Erased:
    """What was done. The id of the user is not recorded anywhere."""

    found: bool
    releases: list[str]  # rewritten
    folders: int  # other folders that were removed or rewritten


def forget(root: Path, user_id: int | str) -> Erased:
    """Erase a user from a store, and skip the user's rows in future runs, even if the user is not in the store.

    Unfinished folders of killed runs are removed as well, because they may contain the user.

    Args:
        root: The store.
        user_id: The id of the user, an integer or a text as the store has it.

    Returns:
        What was done.

    Raises:
        ConfigError: There is no store, or the signing key can't be used. Nothing was done.
        StoreError: A run is active, and nothing was done. Or something may still contain the user, such as a damaged
            release, and everything else was done.
    """
    registry = Registry.open(root)
    check_signing()  # an unusable key must not look like a damaged release
    if remote := remote_of(registry.root):
        return forget_remote(remote, user_id, partial(_forget, user_id=user_id))
    return _forget(root, user_id=user_id)


def _forget(root: Path, *, user_id: int | str) -> Erased:
    registry = Registry.open(root)
    with writing(root), Store(root).alone(), registry.lock():
        Forgotten.read(root).plus(user_id).write(root)
        drop_sources()
        erasure = _Erasure(registry, ErasedUser.of(user_id))
        done = erasure.run()
        registry.record("forget", releases=done.releases, folders=done.folders)
    if erasure.unsure:
        raise UnsureError(
            f"The user was erased from {', '.join(done.releases) or 'no release'} and {done.folders:,} other folders, "
            f"and future runs skip the user's rows. These may still contain the user; do what each asks for, "
            f"then run the same command again: {'; '.join(erasure.unsure)}."
        )
    return done


@dataclass(frozen=True)
class _Erasure:
    registry: Registry
    user: ErasedUser
    # What may still contain the user, and what to do about it.
    unsure: list[str] = field(default_factory=list)

    def run(self) -> Erased:
        root = self.registry.root
        self._clear()
        whole = self.registry.versions()
        ours = [path.name for path in self._folders("releases") if path.name in whole]  # not behind a link
        progress.begin("erasing from releases", total=len(ours))
        releases = [version for version in sorted(ours, key=version_number) if self._erase_release(version)]
        self._name_odd_releases()
        folders = self._erase_folders(looked_up=self._looked_up())
        self._erase_from_lists(root / "recommendations")
        self._clear()
        return Erased(bool(releases or folders), releases, folders)

    def _clear(self) -> None:
        """Remove leftovers of killed runs. A finished copy whose folder is missing is put in its place."""
        for path in [path for kind in ("releases", *_LAST_MADE_FIRST) for path in self._folders(kind)]:
            place = path.with_suffix("")
            if path.suffix == _FRESH and (path / MANIFEST).exists() and not place.exists():
                rename_within(path, place.name)
            elif path.suffix in (_FRESH, HIDDEN, ".partial"):
                remove_tree(path)
        for path in self._folders(WORK):
            remove_tree(path)

    def _folders(self, kind: str) -> list[Path]:
        """The folders of a kind. Links are not followed, and other files are reported in a warning."""
        root, place = self.registry.root, self.registry.root / kind
        for link in links_of(root, kind):
            where = "replace the link by the folder itself" if link == place else "remove it and its target"
            self._doubt(f"{link} is a symbolic link, which is not followed: {where}")
        ours = entries_of(root, kind)
        if place.is_dir() and not place.is_symlink():
            for path in sorted(set(place.iterdir()) - set(ours)):
                if not path.is_symlink():
                    log.warning("%s does not belong to the store and was not changed.", path)
        return ours

    def _doubt(self, advice: str) -> None:
        if advice not in self.unsure:
            self.unsure.append(advice)

    def _erase_release(self, version: str) -> bool:
        folder = self.registry.folder(version)
        fresh = folder.with_name(f"{folder.name}{_FRESH}")
        progress.advance()
        try:
            verify(folder, public_key=False)  # with any signature, or none
            code = row_of(folder / "users.parquet", self.user)
            if code is None:
                return False
            with _filling(fresh):
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
        """The splits in which the gate looks up rows: those of releases whose split is not a function of the ids."""
        splits = [manifest.split for manifest in self.registry.manifests() if manifest.split is not None]
        return {
            split.digest
            for split in splits
            if split.digest and split.settings.strategy not in (None, "stratified")
        }

    def _erase_folders(self, *, looked_up: set[str]) -> int:
        """Remove or rewrite the folders that contain the user; returns their number."""
        there = {path.name: path for kind in _LAST_MADE_FIRST for path in self._folders(kind)}
        progress.begin("erasing from folders", total=len(there), unit="folders")
        found = {name for name, path in there.items() if self._may_hold(path)}
        refers = {name: mentioned(path) & there.keys() for name, path in there.items()}
        while more := {name for name, digests in refers.items() if digests & found} - found:
            found |= more
        touched = 0
        for name, path in there.items():  # in the order of the kinds
            if name in looked_up and not find_damage(path)[0]:
                touched += self._erase_split(path)
            elif name in found:
                hide(path)
                touched += 1
        return touched

    def _may_hold(self, folder: Path) -> bool:
        progress.advance()
        try:
            return has_user(folder, self.user)
        except OSError as error:  # an error of the disk, which may be temporary
            self._doubt(
                f"{folder} could not be read ({error.strerror}): check the disk and the folder's permissions"
            )
            return False

    def _erase_split(self, folder: Path) -> bool:
        """Rewrite a split without the user; False if the user is not in it."""
        code = row_of(folder / "users.parquet", self.user)
        if code is None:
            return False
        fresh = folder.with_name(f"{folder.name}{_FRESH}")
        with _filling(fresh):
            erase_from_split(folder, fresh, code)
        self._put(fresh, folder)
        return True

    def _put(self, fresh: Path, folder: Path) -> None:
        """Replace a folder, in one step if the file system can, and mark the old one for deletion."""
        sync_folder(fresh)
        if _exchange(fresh, folder):
            hide(fresh)
        else:
            hide(folder)
            rename_within(fresh, folder.name)

    def _erase_from_lists(self, folder: Path) -> None:
        """Rewrite the lists of each release without those of the user, and remove unfinished lists."""
        if folder.is_symlink():
            self._doubt(
                f"{folder} is a symbolic link, which is not followed: replace the link by the folder itself"
            )
            return
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.is_symlink() or not _LISTS.fullmatch(path.name):
                self._clear_lists_begun(path)
                continue
            try:
                table = pq.read_table(path)
                is_number = pa.types.is_integer(table["user_id"].type)
                theirs = self.user.number if is_number else self.user.text
                kept = table if theirs is None else table.filter(pc.field("user_id") != theirs)
            except (pa.ArrowException, ValueError, LookupError, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:  # of the disk, maybe temporary
                    self._doubt(
                        f"{path} could not be read ({error.strerror}): check the disk, or remove the file"
                    )
                    continue
                log.warning("%s is damaged (%.200s) and was removed. recommend writes it again.", path, error)
                _remove(path)
                continue
            with replacing(path) as fresh:
                pq.write_table(kept, fresh, compression="zstd")

    @staticmethod
    def _clear_lists_begun(path: Path) -> None:
        if _LISTS_BEGUN.fullmatch(path.name) and not path.is_symlink():
            _remove(path)
        else:
            log.warning("%s does not belong to the store and was not changed.", path)


@contextlib.contextmanager
def _filling(folder: Path) -> Iterator[None]:
    """Create a folder for the block to fill; it is removed if the block fails, as on a full disk."""
    folder.mkdir()
    try:
        yield
    except BaseException:
        remove_tree(folder, ignore_errors=True)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_tree(path)
    else:
        remove_file(path)
