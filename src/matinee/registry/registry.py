"""The registry of a store: its releases, which of them is the champion, and the log of every change.

The pointer is replaced atomically, under a lock that all who publish, promote and roll back share.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matinee.errors import ConfigError, ReleaseError, StoreError
from matinee.errors.text import shown
from matinee.registry.log import Entry, RunLog, confirmed, now
from matinee.release import inspect
from matinee.release.manifest import read_manifest
from matinee.store.disk_errors import writing
from matinee.store.documents import MANIFEST, POINTER, Pointer, read_as
from matinee.store.files import write_json
from matinee.store.identity import check_readable, is_foreign, require_store
from matinee.store.locks import lock_folder
from matinee.store.versions import is_version, version_number

__all__ = ["Registry", "now"]


@dataclass(frozen=True)
class Registry:
    """The releases of the store at `root`."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> "Registry":
        """The registry of a store that is there.

        Raises ConfigError when it is not, StoreError where this user may not look into it.
        """
        check_readable(root)
        if not root.is_dir():
            raise ConfigError(
                f"There is no store at {root}. Name the folder that `matinee retrain --store` wrote."
            )
        return cls(root)

    def folder(self, version: str) -> Path:
        """Where a release of that version belongs.

        Raises ReleaseError for what is no version, so that no name leads out of the store.
        """
        if not is_version(version):
            raise ReleaseError(
                f"{shown(version)} is not a release of {self.root}: a version is `v` and four digits or more. "
                f"{self._listed()}"
            )
        return self.root / "releases" / version

    def lists(self, version: str) -> Path:
        """Where the lists for every user by a release of that version belong."""
        return self.root / "recommendations" / f"{version}.parquet"

    def versions(self) -> list[str]:
        """The versions of all whole releases, oldest first."""
        check_readable(self.root)
        check_readable(self.root / "releases", listed=True)
        found = (path for path in (self.root / "releases").glob("v*") if is_version(path.name))
        return sorted((path.name for path in found if _has_manifest(path)), key=version_number)

    def _listed(self) -> str:
        return f"Listed: {', '.join(self.versions()) or 'none'}."

    def manifests(self) -> list[dict[str, Any]]:
        """The manifests of all releases, oldest first; a damaged one is left out, and one that is pruned meanwhile."""
        found = []
        for version in self.versions():
            with contextlib.suppress(ReleaseError):
                found.append(read_manifest(self.folder(version)))
        return found

    def champion(self) -> str | None:
        """The version in use, or None before the first promotion."""
        pointer = self._pointer()
        return pointer.version if pointer else None

    def _pointer(self) -> Pointer | None:
        """What the pointer says; None before the first promotion.

        Raises ReleaseError when it is damaged.
        """
        path = self.root / POINTER
        check_readable(self.root)
        if not os.path.lexists(path):
            return None
        try:
            return read_as(path, Pointer)
        except StoreError as error:
            if isinstance(error.__cause__, OSError):  # may pass
                raise
            last = self._last_logged() or "VERSION"
            raise ReleaseError(
                f"{path} is damaged, so the current champion is unknown. By log.jsonl it was {last}: "
                f"`matinee promote --store {self.root} {last}` writes the file again."
            ) from None

    def _last_logged(self) -> str | None:
        """The champion by the log alone."""
        return next((entry.version for entry in reversed(self._entries()) if entry.is_move), None)

    def champion_folder(self) -> Path:
        """The folder of the champion.

        Raises ReleaseError when there is none yet, or when it is not there any more.
        """
        version = self.champion()
        if version is None and is_foreign(self.root):
            raise ReleaseError(
                f"There is no champion in {self.root}, for the folder is not a Matinee store. Name the folder that "
                "`matinee retrain --store` made."
            )
        if version is None:
            raise ReleaseError(
                f"The store {self.root} has no champion yet: no candidate has passed the gate. "
                "Run `matinee retrain` first."
            )
        if version not in self.versions():
            raise ReleaseError(
                f"{self.root / POINTER} names {version}, and there is no such release. Restore {self.folder(version)} "
                f"from a backup, or choose another one: `matinee promote --store {self.root} VERSION`. {self._listed()}"
            )
        return self.folder(version)

    def reason(self) -> str:
        """Why the champion is the champion."""
        pointer = self._pointer()
        return pointer.reason if pointer else ""

    def anchor(self) -> str | None:
        """The release that losses add up against; the champion where the anchor is not there any more."""
        found = self._pointer()
        if found is None:
            return None
        return found.anchor if found.anchor in self.versions() else found.version

    def next_version(self) -> str:
        """The version after the highest that was ever given, pruned ones included; to be asked under the lock."""
        there = [version_number(path.name) for path in (self.root / "releases").glob("v*")]
        return f"v{max([*there, self._log.highest_version()]) + 1:04d}"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from publishing or moving the pointer.

        Raises ConfigError where there is no store.
        """
        require_store(self.root)
        with writing(self.root), lock_folder(self.root / "releases"):
            yield

    def point_to(
        self, version: str, *, action: str, reason: str, anchor: str | None = None, **facts: Any
    ) -> None:
        """Make a release the champion and log why; to be called under the lock.

        Without an `anchor` it becomes that too: what a person chose is what later losses are counted from.
        Logged before the pointer moves: a process that dies in between leaves a line too many, never one too few.
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
        """Append one line to the log, whole or not at all, whoever else appends."""
        with writing(self.root):
            self._log.append(action, **facts)

    def log(self) -> list[dict[str, Any]]:
        """Every line of the log that can be read, oldest first."""
        return [entry.model_dump(exclude_unset=True) for entry in self._entries()]

    def moves(self) -> list[Entry]:
        """The changes of the champion that took place, oldest first: those that the pointer confirms."""
        return confirmed(self._entries(), self.champion())

    @property
    def _log(self) -> RunLog:
        return RunLog(self.root)

    def _entries(self) -> list[Entry]:
        return self._log.entries()

    def held(self) -> list[dict[str, Any]]:
        """The log's holds, oldest first, whose candidate is still in the store and was not released since."""
        released = {manifest.get("candidate") for manifest in self.manifests()}
        holds = {entry.candidate: entry for entry in self._entries() if entry.action == "hold"}
        return [
            {"reason": "", **entry.model_dump(exclude_unset=True)}
            for candidate, entry in holds.items()
            if candidate not in released and (self.root / "candidates" / str(candidate) / MANIFEST).is_file()
        ]

    def promote(self, version: str) -> str:
        """Make a release the champion by name, whatever the gate said; returns the one it replaces, or ''.

        Raises ConfigError for a version that is not listed, ReleaseError for one that does not load.
        """
        with self.lock():
            return self._move(version, action="promote")

    def rollback(self, version: str | None = None) -> str:
        """Make an earlier release the champion: the named one, or the one before; returns its version.

        Raises ConfigError when there is none to go back to, ReleaseError for one that does not load.
        """
        with self.lock():
            target = self._before() if version is None else version
            self.champion()  # a damaged pointer is told first
            self._move(target, action="rollback")
            return target

    def predecessor(self) -> str | None:
        """The last other release that was champion before this one and is still here.

        The changes are replayed as a stack, so that rolling back twice goes two steps back.
        """
        stack: list[str] = []
        for entry in self.moves():
            version = str(entry.version)
            if entry.action == "rollback" and version in stack:
                stack = stack[: stack.index(version) + 1]
            else:  # a rollback to what another one had undone is a step forward
                stack = [name for name in stack if name != version] + [version]
        champion = self.champion()  # as a rule the last one; the pointer counts where the log has lost a line
        earlier = stack[: stack.index(champion)] if champion in stack else stack
        here = [name for name in earlier if (self.folder(name) / MANIFEST).exists()]
        return here[-1] if here else None

    def _before(self) -> str:
        found = self.predecessor()
        if found is None:
            raise ConfigError(
                f"There is no release before {self.champion() or 'the first'} to roll back to. "
                f"{self._listed()}"
            )
        return found

    def listed(self, version: str) -> Path:
        """The folder of a release that there is.

        Raises ConfigError for any other.
        """
        if version not in self.versions():
            raise ConfigError(f"There is no release {version!r} in {self.root}. {self._listed()}")
        return self.folder(version)

    def _move(self, version: str, *, action: str) -> str:
        inspect(self.listed(version))
        try:
            before, anchor = self.champion(), self.anchor()
        except ReleaseError:  # damaged; who says which release it shall be mends it
            if action != "promote":
                raise
            before, anchor = self._last_logged(), None
        if before != version or anchor != version:
            self._point_to(version, action=action, reason=f"{action} by name", before=before)
        return before or ""


def _has_manifest(folder: Path) -> bool:
    """Whether a release is whole; one that can't be looked into is listed, and whoever reads it says so."""
    try:
        return (folder / MANIFEST).exists()
    except OSError:
        return True
