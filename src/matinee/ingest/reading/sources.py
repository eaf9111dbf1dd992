"""Which files are meant by the paths that a user gives, and which bytes those are."""

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
    named: bool  # by the user, and not found in a folder

    @property
    def name(self) -> str:
        """What tables call the file: not its folder, so that moving it changes nothing."""
        return self.path.name

    def label(self, member: str | None = None) -> str:
        """What a message calls the file, or a file within it."""
        path = shown(self.path, PATH_LENGTH)
        return path if member in (None, self.name) else f"{path}:{shown(member)}"

    def check_unchanged(self) -> None:
        """Raise DataError when the file is not the one any more that the digest was taken of."""
        try:
            now = self.path.stat()
        except OSError:
            raise DataError(
                f"{self.label()} was removed while it was read. Nothing of it was taken."
            ) from None
        if (now.st_size, now.st_mtime_ns, now.st_ino) != (self.size, self.modified, self.inode):
            raise DataError(
                f"{self.label()} changed while it was read ({self.size:,} bytes before, {now.st_size:,} now). "
                "Nothing of it was taken; run again once it is complete."
            )


def find_sources(
    paths: Sequence[Path], *, is_ratings: Callable[[Source], bool], but: Iterable[Path] = ()
) -> tuple[list[Source], list[Path]]:
    """The files behind files, folders and globs, each once, in order; and those that a folder has besides.

    Of a folder, the files are taken that `is_ratings`; a file of `but` never is. Raises ConfigError for a path
    that is not there or can't be read, DataError for a folder without ratings.
    """
    seen = {os.path.realpath(path) for path in but}
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
                f"The folder {shown(folder, PATH_LENGTH)} holds the store {shown(path, PATH_LENGTH)}, whose tables "
                "would be taken for ratings. Name the files, or a folder without a store; nothing was read."
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
        f"The folder {shown(folder, PATH_LENGTH)} holds no ratings file; {found}. "
        "Expected files with user, movie and rating; name one of them to learn why it is not taken."
    )


def _source(path: Path, *, named: bool) -> Source:
    status, shows = status_of(path), shown(path, PATH_LENGTH)
    if status is None:
        raise ConfigError(f"{shows} is not there. Check the path; nothing was read.")
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(
            f"{shows} is not a file of bytes on a disk (a pipe or a device). Save it to a file first."
        )
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(f"The name {shows} is not UTF-8, and tables can't hold it. Rename it.") from None
    digest = file_digest(path)
    return Source(path, digest, status.st_size, status.st_mtime_ns, status.st_ino, named)


def source_of(path: Path) -> Source:
    """The one file at `path`.

    Raises ConfigError when it is not there, is a folder, or can't be read; DataError when its name is not UTF-8.
    """
    status = status_of(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"{shown(path, PATH_LENGTH)} is a folder. Expected a file here.")
    return _source(path, named=True)
