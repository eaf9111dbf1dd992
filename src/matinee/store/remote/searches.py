"""Searches for settings of a store in an object store: plain files there, which one process at a time extends.

The files that a search changes are in the cache of its host. They are brought there at its start, and written to the
object store after each round of trials. So a search that ended on one host continues on another.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from matinee.store.documents import TUNINGS
from matinee.store.remote.remote import Remote, remote_of
from matinee.store.remote.turns import holder_of, turn


def bring_searches(root: Path, study: str = "") -> None:
    """Make the searches of the cache those of the object store, if the store is in one: all, or one by its digest."""
    if remote := remote_of(root):
        remote.files.pull_all(f"{TUNINGS}/{study}")


def share_search(root: Path, study: str) -> None:
    """Write the files of a search to the object store, if the store is in one. No trial may be running."""
    if remote := remote_of(root):
        for path in sorted((root / TUNINGS / study).iterdir()):
            if path.is_file() and not path.name.startswith("."):
                remote.files.push(f"{TUNINGS}/{study}/{path.name}")


@contextlib.contextmanager
def extending(root: Path, study: str) -> Iterator[None]:
    """Keep processes on other hosts out of a search during the block, and bring its files first.

    Raises StoreError if one is in it.
    """
    remote = remote_of(root)
    if remote is None:
        yield
        return
    with turn(remote.objects, _turn_of(study), waits=False, what=f"the search {study} of {remote.name}"):
        bring_searches(root, study)
        yield


def is_extended(remote: Remote, name: str) -> bool:
    """Whether a plain file is of a search that a process on any host extends."""
    folder, _, rest = name.partition("/")
    study = rest.partition("/")[0]
    return folder == TUNINGS and holder_of(remote.objects, _turn_of(study)) is not None


def forget_search(remote: Remote, study: str) -> None:
    """Remove what is left of a search whose files were removed."""
    remote.objects.delete([_turn_of(study)])
    shutil.rmtree(remote.root / TUNINGS / study, ignore_errors=True)


def _turn_of(study: str) -> str:
    return f"searches/{study}.json"
