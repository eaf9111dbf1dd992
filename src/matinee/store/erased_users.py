"""The list of forgotten users. It holds keyed hashes instead of ids.

`matinee forget` writes it. Ingest rejects the rows of the users on it.
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
from matinee.schemas.text_ids import ids_within, number_of, spellings
from matinee.store.documents import FORGOTTEN, ForgottenList, advice, read_as
from matinee.store.files import write_json

_TABLED = 1 << 26  # smaller ids are looked up in a table of one byte per id; the ids of Netflix need 3 MB
_UNASKED, _KEPT, _GONE = 0, 1, 2
_NUMBER = re.compile(r"\d+")
_LONGEST = 30  # maximum digits of a number that may be an id; 64 bits have 19
_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{_LONGEST}}}")


@dataclass(frozen=True)
class ErasedUser:
    """A user to erase, by the ids under which files may have the user."""

    text: str
    number: int | None  # of an integer id

    @classmethod
    def of(cls, user_id: int | str) -> "ErasedUser":
        """The user of an integer or a text id."""
        text = str(user_id).strip()
        number = int(text) if _INTEGER.fullmatch(text) else None
        return cls(text, number if number is not None and -(2**63) <= number < 2**63 else None)

    def is_mentioned(self, text: str) -> bool:
        """Whether a line may have the id."""
        ways = "|".join(map(re.escape, spellings(self.text)))
        whole = re.search(rf"(?<!\w)(?:{ways})(?!\w)", text) is not None
        return whole or (self.number is not None and self.number in numbers(text))


@dataclass(frozen=True, eq=False)
class Forgotten:
    """The list of a store. The file shows whether a known id is on it, but it does not reveal ids.

    It has BLAKE2b hashes of ids (RFC 7693), keyed by random bytes of the store, so that two stores can't be compared.
    """

    key: bytes
    hashes: frozenset[str] = frozenset()
    _states: list[NDArray[np.uint8]] = field(default_factory=lambda: [np.zeros(1, np.uint8)], repr=False)

    @classmethod
    def read(cls, root: Path) -> "Forgotten":
        """Read the list of a store; it is empty if no user was forgotten.

        Raises StoreError if it can't be read, because rows of forgotten users must not be accepted.
        """
        path = root / FORGOTTEN
        if not os.path.lexists(path):
            return cls(secrets.token_bytes(32))
        kept = read_as(path, ForgottenList)
        if kept.checksum not in (None, kept.digest()):
            raise StoreError(f"{path} was changed after it was written. {advice(path)}")
        return cls(bytes.fromhex(kept.key), frozenset(kept.hashes))

    def write(self, root: Path) -> None:
        """Write the list to the store, whole or not at all."""
        users = ForgottenList(key=self.key.hex(), hashes=sorted(self.hashes))
        write_json(root / FORGOTTEN, users.model_copy(update={"checksum": users.digest()}))

    def __bool__(self) -> bool:
        return bool(self.hashes)

    @property
    def digest(self) -> str | None:
        """The part of the list in the digest of ingested data; None for an empty list."""
        return hashlib.sha256("".join(sorted(self.hashes)).encode()).hexdigest() if self else None

    def plus(self, user_id: int | str) -> "Forgotten":
        """The list with one more user, as an integer and as a text: a later file may have either."""
        user = ErasedUser.of(user_id)
        hashes = {self._hash_text(number_of(user.text))}
        if user.number is not None:
            hashes.add(self._hash(user.number))
        return Forgotten(self.key, self.hashes | hashes)

    def holds(self, user_id: int) -> bool:
        """Whether the user is on the list."""
        return -(2**63) <= user_id < 2**63 and self._hash(user_id) in self.hashes

    def texts_among(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the text ids [n] are on the list, by their numbers (`matinee.schemas.text_ids`)."""
        distinct, places = np.unique(numbers, return_inverse=True)
        gone = np.array([self._hash_text(number) in self.hashes for number in distinct.tolist()], np.bool_)
        found: NDArray[np.bool_] = gone[places]
        return found

    def among(self, user_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the ids [n] are on the list. Each id is hashed once; later calls use a table."""
        gone = np.zeros(len(user_ids), np.bool_)
        small = (user_ids >= 0) & (user_ids < _TABLED)
        gone[small] = self._look_up(user_ids[small])
        gone[~small] = np.isin(user_ids[~small], self._on_list(np.unique(user_ids[~small])))
        return gone

    def mentioned(self, text: str) -> bool:
        """Whether any number in the text, or any part of it that may be an id, is on the list."""
        return any(self.holds(number) for number in numbers(text)) or any(
            self._hash_text(number_of(part)) in self.hashes for part in ids_within(text)
        )

    def _look_up(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
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

    def _on_list(self, ids: Iterable[int]) -> NDArray[np.int64]:
        return np.array(
            [user_id for user_id in map(int, ids) if self._hash(user_id) in self.hashes], np.int64
        )

    def _hash(self, user_id: int) -> str:
        text = user_id.to_bytes(8, "little", signed=True)
        return hashlib.blake2b(text, key=self.key, digest_size=16).hexdigest()

    def _hash_text(self, number: int) -> str:
        """The hash of a text id by its number, which is another one than that of an integer id."""
        data = number.to_bytes(8, "little")
        return hashlib.blake2b(data, key=self.key, digest_size=16, person=b"text id").hexdigest()


def numbers(text: str) -> set[int]:
    """The integers in a text, each with both signs; used for lines that could not be parsed."""
    found = {int(digits) for digits in _NUMBER.findall(text) if len(digits) <= _LONGEST}
    return found | {-number for number in found}


NOBODY = Forgotten(b"")
