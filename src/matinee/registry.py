"""The registry of a store: its releases, which of them is the champion, and the log of every change.

The pointer is replaced atomically, under a lock that all who publish, promote and roll back share.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matinee.errors import ConfigError, ReleaseError, StoreError
from matinee.lock import lock_folder
from matinee.release import MANIFEST, read_manifest, verify
from matinee.store import read_json, write_json, writing

_MOVES = ("publish", "promote", "rollback")


@dataclass(frozen=True)
class Registry:
    """The releases of the store at `root`."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> "Registry":
        """The registry of a store that is there.

        Raises ConfigError when it is not.
        """
        if not root.is_dir():
            raise ConfigError(
                f"There is no store at {root}. Name the folder that `matinee retrain --store` wrote."
            )
        return cls(root)

    def folder(self, version: str) -> Path:
        """Where a release of that version belongs."""
        return self.root / "releases" / version

    def lists(self, version: str) -> Path:
        """Where the lists for every user by a release of that version belong."""
        return self.root / "recommendations" / f"{version}.parquet"

    def versions(self) -> list[str]:
        """The versions of all whole releases, oldest first."""
        found = (self.root / "releases").glob(f"v*/{MANIFEST}")
        return sorted(path.parent.name for path in found if path.parent.suffix == "")

    def manifests(self) -> list[dict[str, Any]]:
        """The manifests of all releases, oldest first; a damaged one is left out, and one that is pruned meanwhile."""
        found = []
        for version in self.versions():
            with contextlib.suppress(ReleaseError):
                found.append(read_manifest(self.folder(version)))
        return found

    def champion(self) -> str | None:
        """The version in use, or None before the first promotion."""
        version: str | None = self._pointer().get("version")
        return version

    def _pointer(self) -> dict[str, Any]:
        """What the pointer says; {} before the first promotion.

        Raises ReleaseError when it is damaged.
        """
        pointer = self.root / "champion.json"
        if not pointer.exists():
            return {}
        try:
            told = read_json(pointer)
            return {**told, "version": str(told["version"])}
        except (StoreError, KeyError):
            moved = [entry["version"] for entry in self.log() if entry.get("action") in _MOVES]
            last = moved[-1] if moved else "VERSION"
            raise ReleaseError(
                f"{pointer} is damaged, so nobody knows the champion. By log.jsonl it was {last}: "
                f"`matinee promote --store {self.root} {last}` writes the file anew."
            ) from None

    def champion_folder(self) -> Path:
        """The folder of the champion.

        Raises ReleaseError when there is none yet.
        """
        version = self.champion()
        if version is None:
            raise ReleaseError(
                f"The store {self.root} has no champion yet: no candidate has passed the gate. "
                "Run `matinee retrain` first."
            )
        return self.folder(version)

    def reason(self) -> str:
        """Why the champion is the champion."""
        return str(self._pointer()["reason"])

    def anchor(self) -> str | None:
        """The release that losses add up against; the champion where the anchor is not there any more."""
        found = self._pointer()
        here = found.get("anchor", "") in self.versions()
        version: str | None = found.get("anchor") if here else found.get("version")
        return version

    def next_version(self) -> str:
        """The version after the highest that was ever given, pruned ones included; to be asked under the lock."""
        logged = [str(entry.get("version") or "") for entry in self.log()]
        numbers = [int(name[1:]) for name in [*self.versions(), *logged] if name[1:].isdigit()]
        return f"v{max(numbers, default=0) + 1:04d}"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from publishing or moving the pointer."""
        with writing(self.root), lock_folder(self.root / "releases"):
            yield

    def point_to(
        self, version: str, *, action: str, reason: str, anchor: str | None = None, **facts: Any
    ) -> None:
        """Make a release the champion and log why; to be called under the lock.

        Without an `anchor` it becomes that too: what a person chose is what later losses are counted from.
        Logged before the pointer moves: a process that dies in between leaves a line too many, never one too few.
        """
        before = self.champion()
        self.record(action, version=version, reason=reason, before=before, anchor=anchor or version, **facts)
        write_json(
            self.root / "champion.json",
            {
                "version": version,
                "before": before,
                "since": now(),
                "reason": reason,
                "anchor": anchor or version,
            },
        )

    def record(self, action: str, **facts: Any) -> None:
        """Append one line to the log, whole, whoever else appends."""
        line = json.dumps({"at": now(), "action": action, "by": _user(), **facts}, ensure_ascii=False) + "\n"
        handle = os.open(self.root / "log.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def log(self) -> list[dict[str, Any]]:
        """Every change, oldest first; a line that was cut off by a crash is left out."""
        entries = []
        with contextlib.suppress(FileNotFoundError):
            for line in (self.root / "log.jsonl").read_text("utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    entries.append(json.loads(line))
        return entries

    def held(self) -> list[dict[str, Any]]:
        """The log's holds, oldest first, whose candidate is still in the store and was not released since."""
        released = {manifest.get("candidate") for manifest in self.manifests()}
        holds = {entry["candidate"]: entry for entry in self.log() if entry.get("action") == "hold"}
        return [
            entry
            for candidate, entry in holds.items()
            if candidate not in released and (self.root / "candidates" / candidate / MANIFEST).is_file()
        ]

    def promote(self, version: str) -> str:
        """Make a release the champion by name, whatever the gate said; returns the one it replaces, or ''.

        Raises ConfigError for a version that is not listed, ReleaseError for one that does not verify.
        """
        with self.lock():
            try:
                self._pointer()
            except ReleaseError:  # damaged; who says which release it shall be mends it
                self._check_listed(version)
                (self.root / "champion.json").unlink()
            return self._move(version, action="promote")

    def rollback(self, version: str | None = None) -> str:
        """Make an earlier release the champion: the named one, or the one before; returns its version.

        Raises ConfigError when there is none to go back to, ReleaseError for one that does not verify.
        """
        with self.lock():
            target = self._before() if version is None else version
            self._move(target, action="rollback")
            return target

    def predecessor(self) -> str | None:
        """The last other release that was champion before this one and is still here.

        The changes are replayed as a stack, so that rolling back twice goes two steps back.
        """
        stack: list[str] = []
        for entry in self.log():
            if entry.get("action") == "rollback" and entry["version"] in stack:
                stack = stack[: stack.index(entry["version"]) + 1]
            elif entry.get("action") in _MOVES:  # a rollback to what another one had undone is a step forward
                stack = [name for name in stack if name != entry["version"]] + [entry["version"]]
        here = [name for name in stack[:-1] if (self.folder(name) / MANIFEST).exists()]
        return here[-1] if here else None

    def _before(self) -> str:
        found = self.predecessor()
        if found is None:
            raise ConfigError(
                f"There is no release before {self.champion() or 'the first'} to roll back to. "
                f"Listed: {', '.join(self.versions()) or 'none'}."
            )
        return found

    def _check_listed(self, version: str) -> None:
        if version not in self.versions():
            raise ConfigError(
                f"There is no release {version!r} in {self.root}. Listed: {', '.join(self.versions()) or 'none'}."
            )
        verify(self.folder(version))

    def _move(self, version: str, *, action: str) -> str:
        self._check_listed(version)
        before = self.champion() or ""
        if before != version or self.anchor() != version:
            self.point_to(version, action=action, reason=f"{action} by name")
        return before


def now() -> str:
    """The time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
