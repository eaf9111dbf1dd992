"""Recognise stores. A store is a folder with a marker file; other folders are never changed, whatever they contain.

`Store.open` marks an empty or new folder. A store of an earlier version has no marker. It is recognised once by the
content of its files, and then marked. The root may be a symbolic link to a folder, but links in the store are refused.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue

from matinee.errors import ConfigError, StoreError
from matinee.store.documents import KINDS, LOG, MANIFEST, POINTER, WORK, Document, check_time, parse
from matinee.store.entries import entries_of
from matinee.store.files import open_plain, write_bytes, write_json
from matinee.store.locks import lock_folder
from matinee.store.versions import is_version

MARKER = "matinee-store.json"
RESTORING = "matinee-restore"  # in a store whose restoration has not finished
BACKUP = "matinee-backup"  # in a backup: nothing is removed from any other store
UNFINISHED = b"The first copy has not finished.\n"
RUNNING = "running"
STORE_VERSION = 1  # of the format of the store
_SAYS: Mapping[str, JsonValue] = {"kind": "matinee-store", "version": STORE_VERSION}
_ACTIONS = {"publish", "hold", "promote", "rollback", "prune", "forget"}
_OF_A_STORE = "Use the folder of `matinee retrain --store`"
_RUN_LOCK = re.compile(r"[0-9]+-[0-9a-f]+")  # process and a random name
_LARGEST = 1 << 26  # maximum bytes of a manifest that are read; ours have some thousands
_LOG_BYTES = 1 << 16  # bytes of a log that are read: some hundred lines
# Files of file systems, version control and desktops; a folder with these counts as empty.
_NOTHING = {"lost+found", ".gitkeep", ".gitignore", ".keep", ".snapshot", ".DS_Store"}
# By a process that was killed while it marked a new store or a copy.
_LEFT = re.compile(r"\.(probe-|matinee-(store\.json|backup|restore)\.)[0-9]+(_[0-9]+)?")


def is_marked(root: Path) -> bool:
    """Whether the folder has the marker of a store."""
    return _object(root / MARKER).get("kind") == _SAYS["kind"]


def is_store(root: Path) -> bool:
    """Whether the folder is a store: it has the marker, or an earlier version has written its files."""
    return is_marked(root) or _is_recognised(root)


def is_empty(root: Path) -> bool:
    """Whether a folder is empty or does not exist, so that it may become a store."""
    try:
        with os.scandir(root) as entries:
            return all(entry.name in _NOTHING or _LEFT.fullmatch(entry.name) for entry in entries)
    except FileNotFoundError:
        return True


def is_foreign(root: Path) -> bool:
    """Whether a folder is not a store and can't become one, because it has other files."""
    try:
        return not is_empty(root) and not is_store(root)
    except OSError:  # an unreadable folder is reported when it is opened
        return False


def check_usable(root: Path) -> None:
    """Raise ConfigError for a path that is not a store and can't become one; nothing is changed.

    Raises StoreError for a store whose restoration or first backup has not finished, or that a later version of Matinee
    has written.
    """
    for place in (root, *root.parents):
        # Unlike those of Path, the functions raise no error for a folder that can't be read: it is reported later.
        if os.path.exists(place) and not os.path.isdir(place):  # noqa: PTH110, PTH112
            raise ConfigError(f"The store can't be {root}, because {place} is a file. Use a folder.")
    check_complete(root)
    check_version(root)
    if is_foreign(root):
        raise ConfigError(_refusal(root, f"{_OF_A_STORE}, or an empty or new folder for a new store."))
    refuse_inner(root)


def refuse_inner(root: Path) -> None:
    """Raise ConfigError for a folder inside a store, unless it is a store itself."""
    if outer := _outer_store(root):
        raise ConfigError(
            f"{root} is inside the store {outer}, which is only for files of Matinee. Use a folder outside the store. "
            "Nothing was changed."
        )


def make_store(root: Path) -> None:
    """Mark an empty or new folder as a store; an existing store stays as it is.

    Raises ConfigError for a folder with other files, StoreError for an unfinished copy, OSError if it can't be
    written.
    """
    check_complete(root)
    check_version(root)
    if is_marked(root):
        return
    check_usable(root)  # before anything is created
    root.mkdir(parents=True, exist_ok=True)
    with lock_folder(root):  # two processes that start at once must not see each other's first file
        if not is_marked(root):
            check_usable(root)
            write_json(root / MARKER, _SAYS)


def make_copy(root: Path, mark: str) -> None:
    """Make an empty or new folder a store that a file `mark` marks as a copy; one with that mark stays as it is.

    The mark comes first, so that a process that is killed leaves a folder that the next one goes on with. It holds
    UNFINISHED until the copy is whole for the first time.

    Raises ConfigError for any other folder, OSError if it can't be written.
    """
    if is_foreign(root) and not (root / mark).is_file():
        raise ConfigError(
            _refusal(root, "Choose an empty or new folder, or an earlier backup, for the copy.")
        )
    root.mkdir(parents=True, exist_ok=True)
    with lock_folder(root):
        if not is_empty(root) and not (root / mark).is_file():
            raise ConfigError(f"{root} is not empty. Use a new folder. Nothing was changed.")
        if not (root / mark).is_file():
            write_bytes(root / mark, UNFINISHED)
        if not is_marked(root):
            write_json(root / MARKER, _SAYS)


def check_restored(root: Path) -> None:
    """Raise StoreError for a store whose restoration has not finished, so that no champion is missing in silence."""
    if os.path.lexists(root / RESTORING):
        raise StoreError(
            f"The restoration of {root} has not finished. Wait for it, or run the same `matinee restore` again, which "
            "continues it."
        )


def check_complete(root: Path) -> None:
    """Raise StoreError for a copy that is not whole yet: its restoration or its first backup has not finished."""
    check_restored(root)
    if _head(root / BACKUP, len(UNFINISHED) + 1) == UNFINISHED:
        raise StoreError(
            f"The first backup to {root} has not finished. Run the `matinee backup` that began it again."
        )


def check_version(root: Path) -> None:
    """Raise StoreError for a store whose format is of a later version of Matinee."""
    found = _object(root / MARKER).get("version")
    if isinstance(found, int) and found > STORE_VERSION:
        raise StoreError(
            f"The store {root} has format {found}, and this Matinee knows formats up to {STORE_VERSION}. Use the "
            "version of Matinee that wrote it, or a later one. Nothing was changed."
        )


def require_store(root: Path) -> None:
    """Raise ConfigError unless there is a store at `root`; a store of an earlier version is marked.

    Every function that changes or removes something calls it first. Raises StoreError for an unfinished restoration or
    a later format; not for an unfinished first backup, which `backup` itself continues.
    """
    check_restored(root)
    check_version(root)
    if is_marked(root):
        return
    check_readable(root)
    if not root.is_dir():
        raise ConfigError(f"There is no store at {root}. {_OF_A_STORE}.")
    if not _is_recognised(root):
        raise ConfigError(_refusal(root, f"{_OF_A_STORE}."))
    write_json(root / MARKER, _SAYS)


def check_readable(folder: Path, *, listed: bool = False) -> None:
    """Raise StoreError for a folder that this user may not read, because its files must not be reported as missing.

    With `listed`, the permission to list the folder is checked too.
    """
    try:
        if listed:
            os.scandir(folder).close()
        os.lstat(folder / MARKER)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise StoreError(
            f"{folder} can't be read: {error.strerror}. Ask its owner for the permission, or use another store."
        ) from error


def run_locks_in(root: Path) -> list[Path]:
    """The run locks in `running/`, also those of dead processes.

    Raises ConfigError if `running` is a symbolic link.
    """
    folder = run_lock_folder(root)
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if _RUN_LOCK.fullmatch(path.name) and path.is_dir()]


def run_lock_folder(root: Path) -> Path:
    """The folder of run locks; raises ConfigError if it is a symbolic link."""
    folder = root / RUNNING
    refuse_link(folder)
    return folder


def refuse_link(folder: Path) -> None:
    """Raise ConfigError if a folder of a store is a symbolic link, whose target may belong to somebody else."""
    if folder.is_symlink():
        raise ConfigError(
            f"{folder} is a symbolic link, and links in a store are not followed. Remove the link; the folder is "
            "created again. Nothing was changed."
        )


def _outer_store(root: Path) -> Path | None:
    """The store around a folder that is not a store itself."""
    with contextlib.suppress(OSError, ValueError):  # an unreadable folder is reported when it is opened
        if not is_store(root):
            return next((place for place in Path(os.path.realpath(root)).parents if is_store(place)), None)
    return None


def _is_recognised(root: Path) -> bool:
    return _is_pointer(root / POINTER) or _is_log(root / LOG) or any(_whole_folders(root))


def _is_pointer(path: Path) -> bool:
    pointer = _object(path)
    return bool(is_version(pointer.get("version")) and _is_time(pointer.get("since")) and "reason" in pointer)


def _is_log(path: Path) -> bool:
    """Whether one of the first lines is an entry of our log: an action, a time and a user."""
    for line in _head(path, _LOG_BYTES).splitlines():
        entry = _parse(line, path)
        if entry.get("action") in _ACTIONS and _is_time(entry.get("at")) and "by" in entry:
            return True
    return False


def _whole_folders(root: Path) -> Iterator[Path]:
    """The folders whose manifest names their own place."""
    for kind in (*KINDS, WORK, "releases"):
        with contextlib.suppress(ConfigError, OSError):
            for folder in entries_of(root, kind):
                manifest = _object(folder / MANIFEST)
                here = {"kind": kind, "digest": folder.name}
                if kind == "releases":
                    here = {"version": folder.name}
                if here.items() <= manifest.items() and "schema_version" in manifest:
                    yield folder


def _object(path: Path) -> Document:
    """The JSON object in a plain file; empty if there is none."""
    return _parse(_head(path, _LARGEST), path)


def _parse(text: bytes, path: Path) -> Document:
    try:
        return parse(text, path)
    except StoreError:
        return Document({})


def _head(path: Path, size: int) -> bytes:
    """The first bytes of a plain file; empty for a link, a pipe or a device, which could block."""
    try:
        with open_plain(path, follow_links=False) as file:
            return file.read(min(size, os.fstat(file.fileno()).st_size))
    except OSError:
        return b""


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(check_time(value))
    except ValueError:
        return False


def _refusal(root: Path, advice: str) -> str:
    """The error for a folder that is not a store."""
    return f"{root} is not a Matinee store: it has no {MARKER} and no files of Matinee. Nothing was changed. {advice}"
