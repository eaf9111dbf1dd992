"""Folders that prune has made absent, and may put back: `withdrawn.json`, while it decides.

A run may have begun to use such a folder after prune read the leases. It waits until prune has decided.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final, TypeVar

from matinee.store.remote.objects import Objects
from matinee.store.remote.server import server_time

_KEY: Final = "withdrawn.json"
_LONGEST: Final = timedelta(minutes=3)  # after which a prune was killed
_LOOK_SECONDS: Final = 0.5
_Found = TypeVar("_Found")


@contextlib.contextmanager
def withdrawing(objects: Objects, places: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Let runs know which folders may come back after the block."""
    objects.put(_KEY, json.dumps({"folders": [f"{kind}/{name}" for kind, name in places]}).encode())
    yield
    objects.delete([_KEY])


def look_again(objects: Objects, place: str, look: Callable[[], _Found]) -> _Found:
    """The result of `look` for a folder that was absent, once no prune may put the folder back."""
    while _is_withdrawn(objects, place):
        if found := look():
            return found
        time.sleep(_LOOK_SECONDS)
    return look()


def _is_withdrawn(objects: Objects, place: str) -> bool:
    found = objects.get(_KEY)
    if found is None or json.dumps(place).encode() not in found.data:
        return False
    return server_time(objects) - found.modified < _LONGEST
