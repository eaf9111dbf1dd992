"""Folders that prune removes: they are renamed first, so that no process finds them, and then deleted."""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from matinee.store.entries import entries_of
from matinee.store.files import HIDDEN
from matinee.store.folders import bytes_in, remove_tree, rename_within
from matinee.store.locks import lock

log = logging.getLogger(__name__)


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock of a folder."""
    with try_lock(path) as free:
        return not free


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Try to lock a folder during the block; yields whether this process holds the lock."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield lock(handle, wait=False)
    finally:
        os.close(handle)


def hide(path: Path) -> None:
    """Rename a folder so that no other process finds it."""
    target = path.with_name(f"{path.name}{HIDDEN}")
    remove_tree(target, ignore_errors=True)
    rename_within(path, target.name)


def delete_hidden(root: Path, kinds: Iterable[str]) -> int:
    """Delete the renamed folders, also those of a killed prune; returns the number of bytes.

    A folder that can't be deleted, as one of another user, is named in a warning.
    """
    total = 0
    for kind in kinds:
        for path in entries_of(root, kind):
            if path.suffix != HIDDEN:
                continue
            size = bytes_in(path)
            try:
                remove_tree(path)
            except FileNotFoundError:  # another prune has deleted it
                continue
            except OSError as error:
                log.warning("%s could not be deleted: %s. Its owner can delete it.", path, error.strerror)
                continue
            total += size
    return total
