"""Check the paths of a call: no path is empty, and store, sources, drop folder and outputs do not contain each other.

A store in the drop folder would be read as ratings and moved to `refused/`. Sources in the store would be tables of the
store. An output there would be in no manifest. Links are resolved before paths are compared.
"""

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.store.database_address import is_address, parse_address
from matinee.store.documents import WORK
from matinee.store.identity import is_store

# The scheme of an address; as a path, it has one slash.
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_OBJECTS: Final = re.compile(r"(s3|gs|az):", re.IGNORECASE)
PATH_LENGTH: Final = 4096  # maximum characters of a path in a message
KEPT_TITLES: Final = "titles"  # the folder of a store with the last readable titles

Named = str | Path


def named(text: Named, what: str) -> Path:
    """The path in a text.

    Raises ConfigError for an empty text, which Python would read as the current folder, and for a null byte.
    """
    if "\0" in str(text):
        raise ConfigError(
            f"The path of {what} contains a null byte, which is not allowed. Use the path of a file or a folder."
        )
    if not str(text).strip():
        raise ConfigError(
            f"The path of {what} is empty. Use the path of a file or a folder; the current folder is `.`."
        )
    return Path(text)


def is_unknown_address(text: Named) -> bool:
    """Whether a text is an address such as ftp://host: not of an object store or a database, and not a path."""
    if not _SCHEME.match(str(text)) or _OBJECTS.match(str(text)) or is_address(text):
        return False
    return not os.path.lexists(Path(text).parts[0])


def check_apart(store: Named, *, sources: Sequence[Named] = (), drop: Named | None = None) -> None:
    """Check that the store, the drop folder and the sources do not contain each other.

    The drop folder and sources may not be in another store either, whose tables would be read as ratings. For a glob,
    its matches are checked. A path that does not exist yet is checked by its name.

    Args:
        store: The store.
        sources: Files, folders or globs that are read.
        drop: The drop folder.

    Raises:
        ConfigError: Two of them contain each other, or a path is empty.
    """
    root = named(store, "the store")
    if drop is not None:
        folder = named(drop, "the drop folder")
        if holds(root, folder) or holds(folder, root):
            raise ConfigError(_mixed(root, f"the drop folder {_show(folder)}"))
        if other := store_around(folder):
            raise ConfigError(_mixed(other, f"the drop folder {_show(folder)}"))
    store_of = source_check(root)
    for source in sources:
        for match in _files_of(source):
            if other := store_of(match):
                raise ConfigError(_mixed(other, f"the source {_show(match)}"))


def _files_of(source: Named) -> list[Path]:
    """The files and folders that a source names; none for a database on a server."""
    if not is_address(source):
        return expand(named(source, "a source"), missing_ok=True)
    address = parse_address(str(source))
    return [] if address.system == "postgresql" else [Path(address.database)]


def source_check(store: Path) -> Callable[[Path], Path | None]:
    """A function that returns the store around a source, or `store` if the source contains it.

    Each folder is resolved once, because a source may be a folder of thousands of files.
    """

    @cache
    def around(folder: Path) -> Path | None:
        if holds(store, folder):
            inner = (store / KEPT_TITLES, store / WORK)  # WORK: rows of databases
            return None if any(holds(kept, folder) for kept in inner) else store
        return store_around(folder)

    def store_of(source: Path) -> Path | None:
        if source.is_symlink() or source.is_dir():
            return around(Path(os.path.realpath(source))) or (store if holds(source, store) else None)
        return around(source.parent)

    return store_of


def store_around(path: Path) -> Path | None:
    """The store that a path is or is inside, with links resolved; None if there is none."""
    place = Path(os.path.realpath(path))
    return next((each for each in (place, *place.parents) if is_store(each)), None)


def check_place(out: Named, *, inputs: Sequence[Named] = ()) -> None:
    """Check that an output may be written at a path.

    Args:
        out: The output.
        inputs: The inputs of the call.

    Raises:
        ConfigError: The path is empty, inside a store, or that of an input.
    """
    path = Path(os.path.realpath(named(out, "the output")))
    if place := store_around(path):
        raise ConfigError(
            f"The output {_show(out)} is inside the store {_show(place)}, which is only for files of Matinee. Choose a "
            "file outside the store. Nothing was written."
        )
    for each in inputs:
        if _is_same(path, Path(os.path.realpath(named(each, "an input")))):
            raise ConfigError(
                f"The output {_show(out)} is also an input, {_show(each)}, and would overwrite it. Choose another "
                "file. Nothing was written."
            )


def holds(outer: Path, inner: Path) -> bool:
    """Whether `outer` is `inner` or a folder around it, with links and mounts resolved."""
    place = Path(os.path.realpath(inner))
    outer = Path(os.path.realpath(outer))
    return any(_is_same(outer, each) for each in (place, *place.parents))


def expand(path: Path, *, missing_ok: bool = False) -> list[Path]:
    """The paths that a path or a pattern means: itself if it exists, else its matches in order.

    Raises ConfigError if there are none, unless `missing_ok`, or if a path can't be read.
    """
    if status_of(path) is not None:
        return [path]
    shows = _show(path)
    if _SCHEME.match(str(path)) and not missing_ok:
        raise ConfigError(
            f"{shows} is not the address of anything that can be read. Expected a file, a folder, a glob, or a query "
            "of PostgreSQL, SQLite or DuckDB. Export the rows to a file, for example as CSV or Parquet."
        )
    if glob.has_magic(str(path)):
        try:
            matches = sorted(dict.fromkeys(_matches(Path(path.anchor), path.parts[bool(path.anchor) :])))
        except RecursionError:
            raise ConfigError(
                f"{shows} leads into folders that are nested too deeply. Name the files, or a folder with fewer levels."
            ) from None
        if matches or missing_ok:
            return matches
        raise ConfigError(f"Nothing matches {shows}. Check the path; nothing was read.")
    if missing_ok:
        return [path]
    raise ConfigError(f"{shows} does not exist. Check the path; nothing was read.")


def status_of(path: Path) -> os.stat_result | None:
    """The status of the file behind a path; None if it does not exist.

    Raises ConfigError if it can't be read.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{_show(path)} could not be read: {why}.") from error


def _matches(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """The matches of a pattern below a folder, as in a shell; `**` does not follow linked folders, so it ends."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if not glob.has_magic(part):
        if os.path.lexists(folder / part):
            yield from _matches(folder / part, rest)
        return
    if part == "**":
        yield from _matches(folder, rest)
    for entry in _entries(folder):
        if entry.name.startswith(".") and not part.startswith("."):
            continue
        if part == "**":
            if entry.is_dir(follow_symlinks=False) and rest[:1] != ("**",):
                yield from _matches(folder / entry.name, parts)
        elif fnmatch.fnmatchcase(entry.name, part):
            yield from _matches(folder / entry.name, rest)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder; empty if it is not a folder or can't be read."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_same(one: Path, other: Path) -> bool:
    """Whether two resolved paths are the same file, by name or, for a second mount, by inode."""
    if one == other:
        return True
    try:
        here, there = one.stat(), other.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(here.st_mode) and os.path.samestat(here, there)


def _mixed(store: Path, other: str) -> str:
    return (
        f"{other[0].upper()}{other[1:]} and the store {_show(store)} are the same folder, or one is inside the other. "
        "Tables of the store would be read as ratings. Use separate folders. Nothing was changed."
    )


def _show(path: Named) -> str:
    return shown(path, PATH_LENGTH)
