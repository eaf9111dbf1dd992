"""The paths that a call names: none is empty, and store, sources, drop folder and outputs keep out of one another.

A store within the drop folder would be taken for ratings and moved to `refused/`; sources within the store would be the
store's own tables; an output there would be in nobody's manifest. All are compared behind their links.
"""

import fnmatch
import glob
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.store.identity import is_store

PATH_LENGTH: Final = 4096  # characters of a path in a message: all of it
KEPT_TITLES: Final = (
    "titles"  # the folder of a store with the titles that a night read last: the one source within
)

Named = str | Path


def named(text: Named, what: str) -> Path:
    """The path that a text names.

    Raises ConfigError for an empty one, which Python would take for the current folder, and for one that no system has.
    """
    if "\0" in str(text):
        raise ConfigError(
            f"The path of {what} holds a null byte, which no name has. Name a file or a folder."
        )
    if not str(text).strip():
        raise ConfigError(f"The path of {what} is empty. Name a file or a folder; the current folder is `.`.")
    return Path(text)


def check_apart(store: Named, *, sources: Sequence[Named] = (), drop: Named | None = None) -> None:
    """Raise ConfigError when the store, the drop folder and the sources hold one another, or one of them has no name.

    Nor may the drop folder or a source lie in another store, whose tables would be taken for ratings. A glob is judged
    by what it matches, a folder by itself; what is not there yet by its name.
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
        for match in expand(named(source, "a source"), missing_ok=True):
            if other := store_of(match):
                raise ConfigError(_mixed(other, f"the source {_show(match)}"))


def source_check(store: Path) -> Callable[[Path], Path | None]:
    """A function that names the store that a source lies in, whichever that is, or `store` where a source holds it.

    Folders are resolved once each: a source may be a folder of thousands of files.
    """

    @cache
    def around(folder: Path) -> Path | None:
        if holds(store, folder):
            return None if holds(store / KEPT_TITLES, folder) else store
        return store_around(folder)

    def store_of(source: Path) -> Path | None:
        if source.is_symlink() or source.is_dir():
            return around(Path(os.path.realpath(source))) or (store if holds(source, store) else None)
        return around(source.parent)

    return store_of


def store_around(path: Path) -> Path | None:
    """The store that a path is or lies in, behind its links; None where it is in none."""
    place = Path(os.path.realpath(path))
    return next((each for each in (place, *place.parents) if is_store(each)), None)


def check_place(out: Named, *, inputs: Sequence[Named] = ()) -> None:
    """Raise ConfigError when an output has no name, lies in a store, or is one of the call's inputs."""
    path = Path(os.path.realpath(named(out, "the output")))
    if place := store_around(path):
        raise ConfigError(
            f"The output {_show(out)} lies in the store {_show(place)}, which holds what Matinee keeps there and "
            "nothing else. Name a place outside of it; nothing was written."
        )
    for each in inputs:
        if _is_same(path, Path(os.path.realpath(named(each, "an input")))):
            raise ConfigError(
                f"The output {_show(out)} is an input of the same call, {_show(each)}, which would be lost. Name "
                "another file; nothing was written."
            )


def holds(outer: Path, inner: Path) -> bool:
    """Whether a path is another, or a folder above it, behind all links and mounts."""
    place = Path(os.path.realpath(inner))
    outer = Path(os.path.realpath(outer))
    return any(_is_same(outer, each) for each in (place, *place.parents))


def expand(path: Path, *, missing_ok: bool = False) -> list[Path]:
    """What a path or a pattern means: itself where it is there, else what it matches, in order.

    Raises ConfigError where that is nothing, unless that is fine, or where it can't be looked at.
    """
    if status_of(path) is not None:
        return [path]
    shows = _show(path)
    if glob.has_magic(str(path)):
        matches = sorted(dict.fromkeys(_matches(Path(path.anchor), path.parts[bool(path.anchor) :])))
        if matches or missing_ok:
            return matches
        raise ConfigError(f"Nothing matches {shows}. Check the path; nothing was read.")
    if missing_ok:
        return [path]
    raise ConfigError(f"{shows} is not there. Check the path; nothing was read.")


def status_of(path: Path) -> os.stat_result | None:
    """What the system says of the file behind a path, or None when there is none.

    Raises ConfigError when it can't be looked at.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise ConfigError(f"{_show(path)} could not be read: {told}.") from error


def _matches(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """What a pattern matches below a folder, as the shell has it; `**` goes into no linked folder, so it ends."""
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
    """What is in a folder; nothing where it is none, or can't be looked into."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths without links are one file: by name, or by what the disk says of a second mount."""
    if one == other:
        return True
    try:
        here, there = one.stat(), other.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(here.st_mode) and os.path.samestat(here, there)


def _mixed(store: Path, other: str) -> str:
    return (
        f"{other[0].upper()}{other[1:]} and the store {_show(store)} are one folder, or one lies in the other. What "
        "the store keeps would be taken for ratings. Name folders that are apart; nothing was changed."
    )


def _show(path: Named) -> str:
    return shown(path, PATH_LENGTH)
