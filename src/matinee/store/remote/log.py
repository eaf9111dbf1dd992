"""The log of a store in an object store: numbered objects, each one line. It is the truth about the champion.

An entry is created only if its number is free, so no entry is lost or overwritten. `log.jsonl` and `champion.json` in
the cache are made from it. `champion.json` in the object store is for other readers.
"""

import contextlib
import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue, ValidationError

from matinee.errors import StoreError
from matinee.store.documents import LOG, POINTER, Pointer, describe, read_as
from matinee.store.files import write_bytes, write_json
from matinee.store.locks import lock_folder
from matinee.store.remote.objects import Objects

MOVES: Final = ("publish", "promote", "rollback")
_FRESH_SECONDS: Final = 1.0  # within which the log is not asked for again


class MovedError(StoreError):
    """Another process has changed the champion since the block of `Registry.lock` began."""


@dataclass
class RemoteLog:
    """The log and the champion of a store in an object store; `root` is the cache."""

    root: Path
    objects: Objects
    _refreshed: float = field(default=-1e9, init=False)

    def refresh(self, *, force: bool = True) -> int:
        """Bring `log.jsonl` and `champion.json` of the cache up to date. Returns the number of the last entry."""
        if not force and time.monotonic() - self._refreshed < _FRESH_SECONDS:
            return len(self._lines())
        with lock_folder(self.root / "log"):
            lines = self._lines()
            fresh = self._after(len(lines))
            if fresh:
                write_bytes(self.root / LOG, b"".join(line + b"\n" for line in [*lines, *fresh]))
            self._point([*lines, *fresh])
        self._refreshed = time.monotonic()
        return len(lines) + len(fresh)

    def append(self, line: bytes, *, last_move: int | None = None) -> int:
        """Add an entry under the next free number, which is returned.

        Raises MovedError, and adds nothing, if there is a change of the champion after the entry `last_move`.
        """
        while True:
            number = self.refresh() + 1
            if last_move is not None and self.last_move() != last_move:
                raise MovedError(
                    f"Another process has changed the champion of {self.objects.address.text} meanwhile. Nothing was "
                    "changed. Run the same command again."
                )
            if self.objects.create(_key(number), line):
                self.refresh()
                if last_move is not None:
                    self._write_pointer(number)
                return number

    def last_move(self) -> int:
        """The number of the last change of the champion in the cache's log; 0 before the first."""
        return _last_move(self._lines())

    def champion(self, number: int) -> str:
        """The release that an entry made the champion."""
        return self._pointer(self._lines(), number).version

    def heal(self) -> None:
        """Write `champion.json` of the object store again if it lags behind the log."""
        if (number := self.last_move()) and self._pointed() < number:
            self._write_pointer(number)

    def _after(self, count: int) -> list[bytes]:
        found = self.objects.list("log/", after=_key(count))
        fresh = []
        for number, each in enumerate(found, start=count + 1):
            content = self.objects.get(each.key) if each.key == _key(number) else None
            if content is None:
                raise StoreError(
                    f"{self.objects.address.text}/{_key(number)} is missing, although later entries of the log are "
                    "there. Restore it from an earlier version of the object."
                )
            fresh.append(content.data)
        return fresh

    def _lines(self) -> list[bytes]:
        """The entries in the cache."""
        with contextlib.suppress(FileNotFoundError):
            data = (self.root / LOG).read_bytes()
            return data.split(b"\n")[:-1]
        return []

    def _point(self, lines: list[bytes]) -> None:
        """Write champion.json of the cache by the last change in the log."""
        number = _last_move(lines)
        if not number:
            return
        pointer = self._pointer(lines, number)
        with contextlib.suppress(StoreError):
            if read_as(self.root / POINTER, Pointer) == pointer:
                return
        write_json(self.root / POINTER, pointer)

    def _pointer(self, lines: list[bytes], number: int) -> Pointer:
        """What an entry made the champion. Raises StoreError if it is damaged."""
        entry = parse_entry(lines[number - 1])
        kept = {name: entry.get(name) for name in ("version", "before", "reason", "anchor")}
        try:
            return Pointer.model_validate({**kept, "reason": kept["reason"] or "", "since": entry.get("at")})
        except ValidationError as error:
            raise StoreError(
                f"{self.objects.address.text}/{_key(number)} is damaged ({describe(error)}), so the current champion "
                f"is unknown. Restore it from an earlier version of the object, and remove {self.root / LOG}, which "
                "is made from it."
            ) from None

    def _pointed(self) -> int:
        """The number of the entry that `champion.json` of the object store was made from; 0 without one."""
        found = self.objects.get(POINTER)
        return 0 if found is None else _number_in(found.data)

    def _write_pointer(self, number: int) -> None:
        """Write `champion.json` of the object store unless it was made from a later entry."""
        pointer = self._pointer(self._lines(), number).model_dump(mode="json")
        while True:
            # An ETag is a digest of the content: without the token, A -> B -> A would look unmoved.
            data = json.dumps({**pointer, "number": number, "token": uuid.uuid4().hex}).encode()
            found = self.objects.get(POINTER)
            if found is None:
                done = self.objects.create(POINTER, data)
            else:
                done = _number_in(found.data) >= number or self.objects.swap(POINTER, data, found.tag)
            if done:
                return


def _key(number: int) -> str:
    return f"log/{number:08d}.json"


def parse_entry(line: bytes) -> dict[str, JsonValue]:
    """An entry of a log; empty if the line is damaged."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _last_move(lines: list[bytes]) -> int:
    numbers = range(len(lines), 0, -1)
    return next((number for number in numbers if parse_entry(lines[number - 1]).get("action") in MOVES), 0)


def _number_in(data: bytes) -> int:
    number = parse_entry(data).get("number")
    return number if isinstance(number, int) else 0
