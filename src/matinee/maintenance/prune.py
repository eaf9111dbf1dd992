"""Remove old releases, old held candidates, and the folders that no kept release refers to.

Prune is safe while flows run and publish. It first renames folders, under the locks that steps and publish use, so that
they find a folder whole or absent. Then it deletes them. Active runs keep every folder that they use or have written.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from matinee.errors import ConfigError, StoreError
from matinee.maintenance.kept_releases import why_kept
from matinee.maintenance.pruned import Pruned
from matinee.maintenance.remote_prune import prune_remote
from matinee.maintenance.removal import delete_hidden, hide, is_locked, try_lock
from matinee.registry import Hold, Registry
from matinee.release.manifest import SIGNATURE
from matinee.store import Store
from matinee.store.disk_errors import writing
from matinee.store.documents import (
    DONE,
    FORGOTTEN,
    KINDS,
    MANIFEST,
    POINTER,
    SERIES,
    TUNED,
    TUNINGS,
    WORK,
    Document,
    read_json,
)
from matinee.store.entries import entries_of, is_complete, links_of
from matinee.store.files import HIDDEN, clear_temporaries
from matinee.store.folders import remove_file
from matinee.store.identity import MARKER, RUNNING, run_locks_in
from matinee.store.locks import lock_folder
from matinee.store.remote import remote_of

_KINDS = (*KINDS, WORK)
_SET_BACK = -1.0  # a clock that lags behind by more seconds was set back

log = logging.getLogger(__name__)


def prune(root: Path, *, keep: int) -> Pruned:
    """Remove what is not needed any more from a store.

    These are kept: the newest releases, the champion, its predecessor, the anchor, candidates that the gate held in its
    last decisions, and all folders that these and active runs refer to.

    Args:
        root: The store.
        keep: Number of releases to keep, of decisions whose held candidates are kept, and of searches for settings.

    Returns:
        What was removed and what was kept.

    Raises:
        ConfigError: There is no store at `root`, or `keep` is below 1.
        StoreError: A file is damaged, so that needed folders are unknown. Nothing was removed.
    """
    if keep < 1:
        raise ConfigError(f"--keep is {keep}; expected 1 or more.")
    registry = Registry.open(root)
    if remote := remote_of(registry.root):
        return prune_remote(remote, partial(_prune, keep=keep))
    return _prune(root, keep=keep)


def _prune(root: Path, *, keep: int) -> Pruned:
    registry = Registry.open(root)
    with writing(root), Store(root).in_use():
        _name_links(root)
        _clear_left(registry)
        with registry.lock():
            oldest = _oldest_run(root)
            why = why_kept(registry, keep=keep, oldest=oldest)
            kept = list(why)
            whole = {path.name for path in entries_of(root, "releases")}
            gone = [version for version in registry.versions() if version in whole.difference(kept)]
            held = _kept_holds(registry, keep)
            roots = [registry.folder(version) for version in kept]
            roots += [root / "evaluations" / entry.evaluation for entry in held]
            _needed(roots, _by_name(_folders(root)))  # raises before anything is removed
            # Before releases go: without its release, a published candidate counts as held.
            before = [entry.candidate for entry in registry.held()]
            for version in gone:
                registry.record("prune", version=version)
                _remove_lists(registry, version)
                hide(registry.folder(version))
            folders, searches = _hide_folders(root, roots, oldest), _hide_searches(registry, keep)
            left = {entry.candidate for entry in registry.held()}
            held_removed = [candidate for candidate in before if candidate not in left]
            for candidate in held_removed:
                registry.record("prune", candidate=candidate)
        return Pruned(
            releases=gone,
            kept=kept,
            folders=folders + searches,
            held_removed=held_removed,
            searches=searches,
            bytes=delete_hidden(root, (*_KINDS, TUNINGS, "releases")),
            held=[entry.candidate for entry in held],
            why=why,
        )


def _name_links(root: Path) -> None:
    for link in [link for kind in (*_KINDS, TUNINGS, "releases") for link in links_of(root, kind)]:
        log.warning("%s is a symbolic link. It is not followed; it and its target are kept.", link)


def _clear_left(registry: Registry) -> None:
    """Remove the temporary files of processes that were killed while they wrote."""
    clear_temporaries(
        registry.root, MARKER, POINTER, FORGOTTEN, SERIES, DONE, TUNED, "progressive.png", "probe"
    )
    lists = [registry.lists(version) for version in registry.versions()]
    for version in registry.versions():
        clear_temporaries(registry.folder(version), SIGNATURE)
    if lists and not lists[0].parent.is_symlink():
        clear_temporaries(lists[0].parent, *(path.name for path in lists))


def _remove_lists(registry: Registry, version: str) -> None:
    lists = registry.lists(version)
    if not lists.parent.is_symlink():
        remove_file(lists)


def _oldest_run(root: Path) -> int:
    """The start of the oldest active run in nanoseconds, this one included; run locks of dead processes are removed."""
    starts = []
    for run_lock in run_locks_in(root):
        with try_lock(run_lock) as free:
            if free:
                with contextlib.suppress(FileNotFoundError):
                    run_lock.rmdir()
        if not free:
            with contextlib.suppress(FileNotFoundError):
                starts.append(run_lock.stat().st_mtime_ns)
    # A run creates its lock when it starts. A lock that is newer than the folder was created before the clock was set
    # back. What that run writes now looks older than the run, so times distinguish nothing.
    if max(starts) > (root / RUNNING).stat().st_mtime_ns:
        log.warning("The clock was set back during a run. Nothing is removed until that run has ended.")
        return 0
    return min(starts)


def _kept_holds(registry: Registry, keep: int) -> list[Hold]:
    """The holds among the last decisions of the gate whose candidate and evaluation still exist."""
    decisions = [entry for entry in registry.log() if entry.action in ("publish", "hold")]
    kept = {entry.candidate for entry in decisions[-keep:] if entry.action == "hold"}
    evaluations = registry.root / "evaluations"
    return [
        entry
        for entry in registry.held()
        if entry.candidate in kept and (evaluations / entry.evaluation / MANIFEST).is_file()
    ]


def _hide_folders(root: Path, roots: list[Path], oldest: int) -> int:
    """Rename the folders that nothing needs; returns the number of whole ones."""
    folders = _folders(root)
    # Folders that an active run uses are kept, with all folders that they refer to.
    taken = [path for path in folders if _is_taken(path, oldest)]
    needed = {path.name for path in roots}
    needed |= _needed([*roots, *taken], _by_name(folders))
    # A resumed training needs its scratch folder, however old it is.
    needed |= {path.stem for path in folders if path.suffix == ".partial" and is_locked(path)}
    hidden, lag = 0, time.time() - time.monotonic()
    for path in folders:
        if path.stem in needed or path.suffix == HIDDEN:
            continue
        # The first lock keeps runs from taking the folder. The process that fills the folder holds the second lock.
        with lock_folder(path.parent), try_lock(path) as free:
            if time.time() - time.monotonic() - lag < _SET_BACK:
                log.warning("The clock was set back during prune. The next prune removes the rest.")
                break
            if free and path.stat().st_mtime_ns < oldest:
                hide(path)
                hidden += path.suffix == ""
    return hidden


def _hide_searches(registry: Registry, keep: int) -> int:
    """Rename old searches for settings: not the newest, and none that a process is using."""
    whole = [path for path in entries_of(registry.root, TUNINGS) if not path.suffix]
    old = sorted(whole, key=_begun)[:-keep]
    gone = [path for path in old if not is_locked(path)]
    for path in gone:
        registry.record("prune", search=path.name)
        hide(path)
    return len(gone)


def _begun(search: Path) -> float:
    """When a search was begun: a copy keeps the times of files, but not that of a folder."""
    times = [path.stat().st_mtime for path in search.iterdir() if path.is_file()]
    return min(times, default=search.stat().st_mtime)


def _folders(root: Path) -> list[Path]:
    return [path for kind in _KINDS for path in entries_of(root, kind)]


def _by_name(folders: list[Path]) -> dict[str, Path]:
    return {path.name: path for path in folders if path.parent.name != WORK}


def _needed(roots: list[Path], folders: dict[str, Path]) -> set[str]:
    """The names of all folders that the roots refer to, directly or not; JSON files name folders by digest."""
    needed: set[str] = set()
    files = [folder / MANIFEST for folder in roots]
    while files:
        texts = _texts(_read(files.pop()))
        fresh = {text for text in texts if text in folders} - needed
        needed |= fresh
        files += [file for name in fresh for file in folders[name].glob("*.json")]
    return needed


def _is_taken(path: Path, oldest: int) -> bool:
    """Whether a whole folder was written or used since `oldest`. A folder that is just being renamed is not."""
    with contextlib.suppress(FileNotFoundError):
        return is_complete(path) and path.stat().st_mtime_ns >= oldest
    return False


def _read(path: Path) -> Document:
    try:
        return read_json(path)
    except StoreError as error:
        if not path.exists():  # another run has found the damage and removed the folder
            return Document({})
        raise StoreError(
            f"{error} The folders that it refers to are unknown, so nothing was removed."
        ) from error


def _texts(document: Document) -> Iterator[str]:
    """All texts in a JSON document, at any depth."""
    waiting: list[JsonValue] = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
