"""The registry of a store: its releases, which of them is the champion, and the log of every change.

The pointer is replaced atomically, under a lock that publish, promote and rollback share.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matinee.errors import ConfigError, ReleaseError, StoreError
from matinee.errors.text import shown
from matinee.registry.listing import highest_version, manifest_folder, whole_versions
from matinee.registry.log import ChangeLog, Entry, Hold, champions_before, confirmed, now
from matinee.release import inspect
from matinee.release.manifest import ReleaseManifest, read_manifest
from matinee.store.disk_errors import writing
from matinee.store.documents import MANIFEST, POINTER, Pointer, read_as
from matinee.store.files import write_json
from matinee.store.identity import check_complete, check_readable, check_usable, check_version, require_store
from matinee.store.locks import lock_folder
from matinee.store.remote import local_store, pull_file, remote_of
from matinee.store.versions import is_version

__all__ = ["CHAMPION", "Registry", "now"]

CHAMPION = "champion"  # what names the champion in place of its version


@dataclass(frozen=True)
class Registry:
    """The releases of the store at `root`."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> "Registry":
        """The registry of an existing store, whose `root` may be an address such as s3://bucket/store.

        Raises ConfigError if there is none, StoreError if it can't be read, is incomplete or of a later version.
        """
        root = local_store(root)
        check_readable(root)
        if not root.is_dir():
            raise ConfigError(f"There is no store at {root}. Use the folder of `matinee retrain --store`.")
        check_complete(root)
        check_version(root)
        if remote := remote_of(root):
            remote.open(create=False)
        return cls(root)

    def folder(self, version: str, *, again: bool = False) -> Path:
        """The folder of a release, whether it exists or not. With `again`, it is fetched even if the cache has it.

        Raises ReleaseError for a name that is not a version, StoreError if an object is missing or differs.
        """
        if not is_version(version):
            raise ReleaseError(
                f"{shown(version)} is not a release of {self.root}: a version is `v` and at least four digits. "
                f"{self._listed()}"
            )
        if remote := remote_of(self.root):
            remote.fetch("releases", version, again=again)
        return self.root / "releases" / version

    def lists(self, version: str) -> Path:
        """The file of a release's lists for all users, whether it exists or not."""
        pull_file(self.root, f"recommendations/{version}.parquet")
        return self.root / "recommendations" / f"{version}.parquet"

    def versions(self) -> list[str]:
        """The versions of all whole releases, oldest first."""
        return whole_versions(self.root)

    def _listed(self) -> str:
        return f"Listed: {', '.join(self.versions()) or 'none'}."

    def manifests(self) -> list[ReleaseManifest]:
        """The manifests of all readable releases, oldest first."""
        found = []
        for version in self.versions():
            with contextlib.suppress(ReleaseError):
                found.append(read_manifest(manifest_folder(self.root, version)))
        return found

    def champion(self) -> str | None:
        """The version in use, or None before the first promotion."""
        pointer = self._pointer()
        return pointer.version if pointer else None

    def _pointer(self) -> Pointer | None:
        """The content of champion.json; None before the first promotion.

        Raises ReleaseError if it is damaged, or missing although a release has replaced another one.
        """
        path = self.root / POINTER
        if remote := remote_of(self.root):
            remote.log.refresh(force=False)
        check_readable(self.root)
        if not os.path.lexists(path):
            # A change names the champion before, but for the first, which may have been killed before the pointer.
            if not any(entry.is_move and entry.before for entry in self.log()):
                return None
            if not os.path.lexists(path):  # others may have published since it was not found
                raise self._lost("missing")
        try:
            return read_as(path, Pointer)
        except StoreError as error:
            if isinstance(error.__cause__, OSError):  # may be temporary
                raise
            raise self._lost("damaged") from None

    def _lost(self, fault: str) -> ReleaseError:
        """The error for a pointer that can't be read, with the release that it named."""
        last = self._last_logged() or "VERSION"
        return ReleaseError(
            f"{self.root / POINTER} is {fault}, so the current champion is unknown. According to log.jsonl it was "
            f"{last}. `matinee promote --store {self.root} {last}` writes the file again. {self._listed()}"
        )

    def _last_logged(self) -> str | None:
        """The champion according to the log."""
        return next((entry.version for entry in reversed(self.log()) if entry.is_move), None)

    def champion_folder(self) -> Path:
        """The folder of the champion.

        Raises ReleaseError if there is no champion yet, or if its folder is missing; ConfigError if there is no store.
        """
        version = self.champion()
        if version is None:
            check_usable(self.root)
        if version is None and (first := self._last_logged()):
            raise ReleaseError(
                f"{self.root / POINTER} is missing: it was removed, or the publication of {first} was interrupted. "
                f"`matinee promote --store {self.root} {first}` makes it the champion. {self._listed()}"
            )
        if version is None:
            raise ReleaseError(
                f"The store {self.root} has no champion yet: no candidate has passed the gate. "
                f"Run `matinee retrain`, or list held candidates with `matinee releases --store {self.root}`."
            )
        if version not in self.versions():
            raise ReleaseError(
                f"{self.root / POINTER} names {version}, which does not exist. Restore {self.folder(version)} from a "
                f"backup, or choose another release: `matinee promote --store {self.root} VERSION`. {self._listed()}"
            )
        return self.folder(version)

    def reason(self) -> str:
        """Why the champion was promoted."""
        pointer = self._pointer()
        return pointer.reason if pointer else ""

    def anchor(self) -> str | None:
        """The release that losses add up against; the champion if the anchor does not exist any more."""
        found = self._pointer()
        if found is None:
            return None
        return found.anchor if found.anchor in self.versions() else found.version

    def next_version(self) -> str:
        """The version after the highest that was ever used, pruned ones included. Call it under the lock."""
        return f"v{max(highest_version(self.root), self._log.highest_version()) + 1:04d}"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from publishing and from changing the champion during the block.

        Raises ConfigError if there is no store.
        """
        require_store(self.root)
        with writing(self.root), lock_folder(self.root / "releases"), contextlib.ExitStack() as held:
            if remote := remote_of(self.root):
                held.enter_context(remote.publishing())
            yield

    def point_to(
        self, version: str, *, action: str, reason: str, anchor: str | None = None, **facts: Any
    ) -> None:
        """Make a release the champion and log why. Call it under the lock.

        Later losses add up against `anchor`, or the release itself. The change is logged before the pointer is
        replaced: a process that dies in between leaves a void line, but the log never lacks a change.
        """
        self._point_to(version, action=action, reason=reason, anchor=anchor, before=self.champion(), **facts)

    def _point_to(
        self,
        version: str,
        *,
        action: str,
        reason: str,
        before: str | None,
        anchor: str | None = None,
        **facts: Any,
    ) -> None:
        self.record(action, version=version, reason=reason, before=before, anchor=anchor or version, **facts)
        pointer = Pointer(
            version=version, before=before, since=now(), reason=reason, anchor=anchor or version
        )
        write_json(self.root / POINTER, pointer.model_dump())

    def record(self, action: str, **facts: Any) -> None:
        """Append one line to the log, whole or not at all."""
        with writing(self.root):
            self._log.append(action, **facts)

    def log(self) -> list[Entry]:
        """Every readable line of the log, oldest first."""
        return self._log.entries()

    def moves(self) -> list[Entry]:
        """The changes of the champion that took place, oldest first."""
        return confirmed(self.log(), self.champion())

    @property
    def _log(self) -> ChangeLog:
        return ChangeLog(self.root)

    def held(self) -> list[Hold]:
        """The holds whose candidate is still in the store and has not been released, oldest first."""
        released = {manifest.candidate for manifest in self.manifests()}
        holds = {entry.candidate: entry for entry in self.log() if entry.action == "hold"}
        return [
            Hold.model_validate(entry.model_dump(exclude_unset=True))
            for candidate, entry in holds.items()
            if candidate not in released and self._is_there(str(candidate))
        ]

    def _is_there(self, candidate: str) -> bool:
        """Whether a candidate is in the store: trained on ratings, or the ranking model of plays."""
        kinds, remote = ("candidates", "rankings"), remote_of(self.root)
        if remote:
            return any(remote.folders.has(kind, candidate) for kind in kinds)
        return any((self.root / kind / candidate / MANIFEST).is_file() for kind in kinds)

    def promote(self, version: str) -> str:
        """Make a release the champion, regardless of the gate's decision.

        Returns the version that it replaces, or "". Raises ConfigError without such a release, ReleaseError if it does
        not load.
        """
        with self.lock():
            return self._move(version, action="promote")

    def rollback(self, version: str | None = None) -> str:
        """Make an earlier release the champion.

        `version` is the predecessor of the champion if None. Returns the version of the new champion. Raises
        ConfigError if there is no earlier release, ReleaseError if the release does not load.
        """
        with self.lock():
            target = self._before() if version is None else version
            self.champion()  # a damaged pointer is reported first
            self._move(target, action="rollback", how="" if version is None else " by name")
            return target

    def predecessor(self) -> str | None:
        """The last champion before this one that still exists.

        The changes are replayed as a stack, so that two rollbacks go back two steps.
        """
        listed = self.versions()
        earlier = champions_before(self.moves(), self.champion())
        return next((name for name in reversed(earlier) if name in listed), None)

    def _before(self) -> str:
        found = self.predecessor()
        if found is None:
            self.champion_folder()  # if there is no champion, its error says why
            raise ConfigError(
                f"There is no release before {self.champion()} to roll back to. {self._listed()} "
                "`matinee promote` makes any of them the champion."
            )
        return found

    def named(self, name: str) -> Path:
        """The folder of a release by its version, or of the champion by the word `champion`."""
        return self.champion_folder() if name == CHAMPION else self.listed(name)

    def listed(self, version: str) -> Path:
        """The folder of an existing release. Raises ConfigError if there is none of that version."""
        if version not in self.versions():
            raise ConfigError(f"There is no release {version!r} in {self.root}. {self._listed()}")
        return self.folder(version)

    def _move(self, version: str, *, action: str, how: str = " by name") -> str:
        inspect(self.listed(version))
        try:
            before, anchor = self.champion(), self.anchor()
        except ReleaseError:  # the pointer is damaged; promote repairs it, as it names the release
            if action != "promote":
                raise
            before, anchor = self._last_logged(), None
        if before != version or anchor != version:
            self._point_to(version, action=action, reason=f"{action}{how}", before=before)
        return before or ""
