"""Who was forgotten: a list that keeps users out without naming them.

`matinee forget` writes it, ingest drops by it the rows of files that still hold them. It knows ids by keyed hashes.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matinee.errors import StoreError
from matinee.store.documents import FORGOTTEN, ForgottenList, advice, read_as
from matinee.store.files import write_json

Ids = NDArray[np.int64]

_TABLED = 1 << 26  # ids below this are looked up in a table, a byte each: Netflix's take 3 MB
_UNASKED, _KEPT, _GONE = 0, 1, 2
_NUMBER = re.compile(r"\d+")
_LONGEST = 30  # digits that are read as an id; 64 bits have 19


@dataclass(frozen=True, eq=False)
class Forgotten:
    """The list of a store. Who has the file can tell whether an id is on it, and reads none off it.

    BLAKE2b of the id (RFC 7693), keyed by random bytes of the store, so that the lists of two stores tell nothing
    together.
    """

    key: bytes
    hashes: frozenset[str] = frozenset()
    _states: list[NDArray[np.uint8]] = field(default_factory=lambda: [np.zeros(1, np.uint8)], repr=False)

    @classmethod
    def read(cls, root: Path) -> "Forgotten":
        """The list of the store at `root`; an empty one where nobody was forgotten.

        Raises StoreError when it can't be read: rows of users who are to stay out must not come in.
        """
        path = root / FORGOTTEN
        if not os.path.lexists(path):
            return cls(secrets.token_bytes(32))
        told = read_as(path, ForgottenList)
        if told.checksum not in (None, told.digest()):
            raise StoreError(f"{path} was changed after it was written. {advice(path)}")
        return cls(bytes.fromhex(told.key), frozenset(told.hashes))

    def write(self, root: Path) -> None:
        """Keep the list in the store, whole or as it was."""
        told = ForgottenList(key=self.key.hex(), hashes=sorted(self.hashes))
        write_json(root / FORGOTTEN, {**told.model_dump(), "checksum": told.digest()})

    def __bool__(self) -> bool:
        return bool(self.hashes)

    @property
    def digest(self) -> str | None:
        """What the list adds to the digest of whatever is read under it; None for an empty one."""
        return hashlib.sha256("".join(sorted(self.hashes)).encode()).hexdigest() if self else None

    def plus(self, user_id: int) -> "Forgotten":
        """The list with one more user."""
        return Forgotten(self.key, self.hashes | {self._hash(user_id)})

    def holds(self, user_id: int) -> bool:
        """Whether the user is on the list."""
        return -(2**63) <= user_id < 2**63 and self._hash(user_id) in self.hashes

    def among(self, user_ids: Ids) -> NDArray[np.bool_]:
        """Which of the ids [n] are on the list. An id is hashed once; asking again is a look into a table."""
        gone = np.zeros(len(user_ids), np.bool_)
        small = (user_ids >= 0) & (user_ids < _TABLED)
        gone[small] = self._look_up(user_ids[small])
        gone[~small] = np.isin(user_ids[~small], self._on_list(np.unique(user_ids[~small])))
        return gone

    def mentioned(self, text: str) -> bool:
        """Whether a number in the text is an id on the list, whatever it stands for there."""
        return any(self.holds(number) for number in numbers(text))

    def _look_up(self, ids: Ids) -> NDArray[np.bool_]:
        if not len(ids):
            return np.zeros(0, np.bool_)
        states = self._states[0]
        if (most := int(ids.max()) + 1) > len(states):
            states = np.concatenate([states, np.zeros(max(most, 2 * len(states)) - len(states), np.uint8)])
        if len(fresh := np.unique(ids[states[ids] == _UNASKED])):
            states[fresh] = _KEPT
            states[self._on_list(fresh)] = _GONE
        self._states[0] = states
        found: NDArray[np.bool_] = states[ids] == _GONE
        return found

    def _on_list(self, ids: Iterable[int]) -> Ids:
        return np.array(
            [user_id for user_id in map(int, ids) if self._hash(user_id) in self.hashes], np.int64
        )

    def _hash(self, user_id: int) -> str:
        text = user_id.to_bytes(8, "little", signed=True)
        return hashlib.blake2b(text, key=self.key, digest_size=16).hexdigest()


def numbers(text: str) -> set[int]:
    """The integers that a person may see in a text, each with either sign: a line that could not be parsed is one."""
    found = {int(digits) for digits in _NUMBER.findall(text) if len(digits) <= _LONGEST}
    return found | {-number for number in found}


NOBODY = Forgotten(b"")
