"""The marker of a store in an object store."""

import contextlib
import json
import uuid
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from matinee.errors import ConfigError, StoreError
from matinee.store.identity import MARKER, STORE_VERSION
from matinee.store.remote.objects import Objects
from matinee.store.remote.server import PROBES, has_conditions

_VERSION: Final = 1  # of the layout in an object store


class RemoteMarker(BaseModel):
    """matinee-store.json under the prefix: the marker of a store."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    version: int
    layout: int
    store: str


def find_marker(objects: Objects, *, create: bool) -> RemoteMarker:
    """The marker under a prefix.

    Args:
        objects: The prefix.
        create: Whether to write one under an empty prefix.

    Raises:
        ConfigError: There is no store, the prefix has other objects, or the server lacks conditional writes.
        StoreError: A later Matinee has written the store.
    """
    found, name = objects.get(MARKER), objects.address.text
    if found is None and create:
        _write(objects)
        found = objects.get(MARKER)
    if found is None:
        raise ConfigError(
            f"There is no store at {name}. Use the address of `matinee retrain --store`. Nothing was changed."
        )
    return _parse(found.data, name)


def _write(objects: Objects) -> None:
    """Mark an empty prefix."""
    name = objects.address.text
    there = [each.key for each in objects.list("") if not each.key.startswith(PROBES)]
    if MARKER in there:  # another process was faster
        return
    if there:
        raise ConfigError(
            f"{name} is not a Matinee store: it has no {MARKER} and other objects. Use an empty prefix. Nothing was "
            "changed."
        )
    _refuse_inner(objects)
    if not has_conditions(objects):
        raise ConfigError(
            f"The server of {name} ignores the conditions If-None-Match and If-Match, so two hosts would overwrite "
            "each other's releases. Use a server or a version that has them. Nothing was changed."
        )
    marker: Mapping[str, str | int] = {
        "kind": "matinee-store",
        "version": STORE_VERSION,
        "layout": _VERSION,
        "store": uuid.uuid4().hex,
    }
    objects.create(MARKER, json.dumps(marker).encode())


def _refuse_inner(objects: Objects) -> None:
    """Raise ConfigError for a prefix within that of another store."""
    for outer in objects.address.parents:
        with contextlib.suppress(StoreError):  # these credentials may be for the prefix alone
            if Objects(outer).exists(MARKER):
                raise ConfigError(
                    f"{objects.address.text} is inside the store {outer.text}, which is only for files of Matinee. Use "
                    "a prefix outside of it. Nothing was changed."
                )


def _parse(data: bytes, name: str) -> RemoteMarker:
    try:
        marker = RemoteMarker.model_validate_json(data)
    except ValidationError:
        raise ConfigError(
            f"{name}/{MARKER} is not the marker of a store in an object store. Use an empty prefix, or the address of "
            "`matinee retrain --store`. Nothing was changed."
        ) from None
    if marker.version > STORE_VERSION or marker.layout > _VERSION:
        raise StoreError(
            f"The store {name} was written by a later version of Matinee. Use that version or a later one. Nothing was "
            "changed."
        )
    return marker
