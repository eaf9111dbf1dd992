"""The log of a store: one JSON object per line for every change of the champion, hold, prune and forget.

Lines are appended and never changed. A line that can't be read is reported in a warning and skipped.
"""

import contextlib
import errno
import json
import logging
import os
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from matinee.errors import StoreError
from matinee.store.documents import LOG, Digest, Time, describe, read_bytes
from matinee.store.locks import lock
from matinee.store.remote import remote_of
from matinee.store.versions import Version

log = logging.getLogger(__name__)

MOVES = ("publish", "promote", "rollback")
_GIVEN = re.compile(rb'"version": ?"v([0-9]{1,15})"')
_NAMED = 3  # unreadable lines that a warning names


class Entry(BaseModel):
    """A line of the log; unknown keys are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    at: Time
    action: str
    by: str = ""
    version: Version | None = None  # of a move or a prune
    before: Version | None = None
    anchor: Version | None = None
    reason: str = ""
    candidate: Digest | None = None  # of a hold, or of what was promoted by its digest
    evaluation: Digest | None = None
    search: Digest | None = None  # for settings, of a prune
    storage: str | None = None  # `release.storage` of a hold, if it is not the default

    @model_validator(mode="after")
    def _is_whole(self) -> "Entry":
        if self.action in MOVES and self.version is None:
            raise ValueError(f"{self.action} without a version")
        if self.action == "hold" and None in (self.candidate, self.evaluation):
            raise ValueError("a hold without its candidate and evaluation")
        return self

    @property
    def is_move(self) -> bool:
        """Whether the line records a new champion."""
        return self.action in MOVES

    @property
    def time(self) -> float:
        """When it was written, in seconds since 1970."""
        return datetime.fromisoformat(self.at).timestamp()


class Hold(Entry):
    """A line of the log: the gate held a candidate."""

    action: Literal["hold"]
    candidate: Digest
    evaluation: Digest


@dataclass(frozen=True)
class ChangeLog:
    """The log of the store at `root`."""

    root: Path

    @property
    def path(self) -> Path:
        """The path of the log."""
        return self.root / LOG

    def append(self, action: str, **facts: Any) -> None:
        """Append one line, whole or not at all, even if other processes append at the same time.

        Args:
            action: The name of the change.
            **facts: Further keys of the line.

        Raises:
            OSError: The line could not be written; the log is unchanged.
            StoreError: The log is a symbolic link, whose target may belong to somebody else, or not a plain file.
        """
        if self.path.is_symlink():
            raise StoreError(
                f"{self.path} is a symbolic link, and links in a store are not followed. Put the file itself there, or "
                "remove the link to start a new log. Nothing was changed."
            )
        if self.path.exists() and not self.path.is_file():
            raise StoreError(
                f"{self.path} is not a plain file. Restore it from a backup, or remove it to start a new log. Nothing "
                "was changed."
            )
        entry = {"at": now(), "action": action, "by": _user(), **facts}
        if remote := remote_of(self.root):
            entry["id"] = uuid.uuid4().hex[:12]  # two hosts may write the same entry in one second
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
        if remote:
            remote.record(line, moves=action in MOVES)
            return
        handle = os.open(
            self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
        )
        try:
            lock(handle)
            _append(handle, line + b"\n", self.path)
        finally:
            os.close(handle)

    def entries(self) -> list[Entry]:
        """Every readable line, oldest first; the others are reported in a warning, once per process."""
        found, faults = self._parsed()
        if faults:
            _warn(self.say(faults))
        return found

    def faults(self) -> dict[int, str]:
        """The fault of each unreadable line, by line number."""
        return self._parsed()[1]

    def say(self, faults: dict[int, str]) -> str:
        """The faults in one or two sentences."""
        named = [f"line {number}: {fault}" for number, fault in list(faults.items())[:_NAMED]]
        more = f" and {len(faults) - _NAMED:,} more" if len(faults) > _NAMED else ""
        return (
            f"{self.path}: {len(faults):,} of its lines can't be read ({'; '.join(named)}{more}) and "
            "are skipped. Restore the file from a backup, or correct the lines."
        )

    def highest_version(self) -> int:
        """The highest number of any release in the log, also in unreadable lines; 0 without one."""
        return max(map(int, _GIVEN.findall(self._read())), default=0)

    def _parsed(self) -> tuple[list[Entry], dict[int, str]]:
        found, faults = [], {}
        for number, line in enumerate(self._read().split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                found.append(Entry.model_validate(json.loads(line.decode("utf-8"))))
            except (ValueError, RecursionError) as error:  # ValidationError is a ValueError
                faults[number] = describe(error)
        return found, faults

    def _read(self) -> bytes:
        if remote := remote_of(self.root):
            remote.log.refresh(force=False)
        return read_bytes(self.path) if os.path.lexists(self.path) else b""


def confirmed(entries: Iterable[Entry], champion: str | None) -> list[Entry]:
    """The changes of the champion that took place, oldest first.

    A change is logged before the pointer is replaced. If the process died in between, the change is void. The next
    change, or the pointer, then has the same `before`. So of two changes with the same `before`, the later one counts.
    """
    found: list[Entry] = []
    start = champion
    for entry in reversed([entry for entry in entries if entry.is_move]):
        if start == entry.version or start != entry.before:
            found.append(entry)
            start = entry.before
    return found[::-1]


def champions_before(moves: Iterable[Entry], champion: str | None) -> list[str]:
    """The champions before this one that a rollback may go back to, the last one at the end.

    The changes are replayed as a stack, so that two rollbacks go back two steps.
    """
    stack: list[str] = []
    for entry in moves:
        version = str(entry.version)
        if entry.before and stack[-1:] != [entry.before]:  # its line is lost
            stack = [name for name in stack if name != entry.before] + [entry.before]
        if entry.action == "rollback" and version in stack:
            stack = stack[: stack.index(version) + 1]
        else:  # a rollback to a release that another rollback had undone is a step forward
            stack = [name for name in stack if name != version] + [version]
    # The champion is usually the last one; the pointer decides if a line of the log is lost.
    return stack[: stack.index(champion)] if champion in stack else stack


def now() -> str:
    """The time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _append(handle: int, line: bytes, path: Path) -> None:
    """Append to the file, after an incomplete last line if there is one; an incomplete write is undone."""
    size = os.fstat(handle).st_size
    data = line if not size or os.pread(handle, 1, size - 1) == b"\n" else b"\n" + line
    try:
        if os.write(handle, data) != len(data):  # a short write means that the disk is full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, size)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@cache
def _warn(faults: str) -> None:
    log.warning("%s", faults)


def _user() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
