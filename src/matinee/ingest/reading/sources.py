"""Finds the source files behind the paths that a user gives, and records their content digest."""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matinee.errors import ConfigError, DataError
from matinee.errors.text import shown
from matinee.store.digests import file_digest
from matinee.store.identity import is_store
from matinee.store.paths import PATH_LENGTH, expand, status_of

Role = Literal["train", "test"]


@dataclass(frozen=True)
class Source:
    """A file as it was when its digest was taken."""

    path: Path
    digest: str
    size: int
    modified: int
    inode: int
    named: bool  # given by the user, not found in a folder

    @property
    def name(self) -> str:
        """The name in tables; without the folder, so that moving the file changes nothing."""
        return self.path.name

    def label(self, member: str | None = None) -> str:
        """The name in messages, for the file or for a file within it."""
        path = shown(self.path, PATH_LENGTH)
        return path if member in (None, self.name) else f"{path}:{shown(member)}"

    def check_unchanged(self) -> None:
        """Raise DataError if the file has changed since its digest was taken."""
        try:
            now = self.path.stat()
        except OSError:
            raise DataError(
                f"{self.label()} was removed while it was read. None of its rows were taken."
            ) from None
        if (now.st_size, now.st_mtime_ns, now.st_ino) != (self.size, self.modified, self.inode):
            raise DataError(
                f"{self.label()} changed while it was read ({self.size:,} bytes before, {now.st_size:,} now). "
                "None of its rows were taken; run again once it is complete."
            )


def find_sources(
    paths: Sequence[Path], *, is_ratings: Callable[[Source], bool], exclude: Iterable[Path] = ()
) -> tuple[list[Source], list[Path]]:
    """Find the source files behind files, folders and globs.

    Args:
        paths: What the user gave.
        is_ratings: Decides whether a file of a folder is a rating file; files named directly are always taken.
        exclude: Files that are never taken.

    Returns:
        The sources, each once, in order; and the files in the folders that were not taken.

    Raises:
        ConfigError: A path does not exist or cannot be read.
        DataError: A folder holds no rating file.

    """
    seen = {os.path.realpath(path) for path in exclude}
    sources: list[Source] = []
    others: list[Path] = []
    for path in paths:
        for match in expand(path):
            if match.is_dir():
                found = _walk(match, seen, others, is_ratings)
                if not found and not sources:
                    raise DataError(_no_ratings(match, others))
                sources += found
            elif os.path.realpath(match) not in seen:
                seen.add(os.path.realpath(match))
                sources.append(_source(match, named=True))
    return sources, others


def _walk(
    folder: Path, seen: set[str], others: list[Path], is_ratings: Callable[[Source], bool]
) -> list[Source]:
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        real = os.path.realpath(path)
        if not hidden and path.is_dir() and not path.is_symlink() and is_store(path):
            raise ConfigError(
                f"The folder {shown(folder, PATH_LENGTH)} contains the store {shown(path, PATH_LENGTH)}, whose tables "
                "would be read as ratings. Name the files, or a folder without a store; nothing was read."
            )
        if hidden or not path.is_file() or real in seen:
            continue
        seen.add(real)
        source = _source(path, named=False)
        if source.size and is_ratings(source):
            found.append(source)
        else:
            others.append(path)
    return found


def _no_ratings(folder: Path, others: Sequence[Path]) -> str:
    there = ", ".join(shown(path.name) for path in others[:5]) + (", ..." if len(others) > 5 else "")
    found = f"found {there}" if others else "it is empty"
    return (
        f"The folder {shown(folder, PATH_LENGTH)} contains no rating file; {found}. "
        "Expected files with user, movie and rating. Name one file directly to learn why it is not accepted."
    )


def _source(path: Path, *, named: bool) -> Source:
    status, shows = status_of(path), shown(path, PATH_LENGTH)
    if status is None:
        raise ConfigError(f"{shows} does not exist. Check the path; nothing was read.")
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(
            f"{shows} is a pipe or a device, not a regular file. Save its content to a file first."
        )
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"The name {shows} is not UTF-8, and tables cannot hold it. Rename the file."
        ) from None
    digest = file_digest(path)
    return Source(path, digest, status.st_size, status.st_mtime_ns, status.st_ino, named)


def source_of(path: Path) -> Source:
    """The source file at `path`.

    Raises ConfigError if it does not exist, is a folder, or cannot be read; DataError if its name is not UTF-8.
    """
    status = status_of(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"{shown(path, PATH_LENGTH)} is a folder. Expected a file.")
    return _source(path, named=True)
