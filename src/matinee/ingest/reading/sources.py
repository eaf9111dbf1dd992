"""Finds the source files behind the paths that a user gives, and records their content digest."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from matinee.errors import ConfigError, DataError
from matinee.errors.text import shown
from matinee.ingest.reading.entries import LeftOut, list_files
from matinee.ingest.reading.table_folder import LOG, Constants, delta_files, hive_columns, refuse_other_tables
from matinee.store.database_address import name_of, place_of
from matinee.store.digests import file_digest
from matinee.store.folders import DEEPEST, depth_of, walk
from matinee.store.identity import is_store
from matinee.store.paths import PATH_LENGTH, expand, status_of

_UNFINISHED = "_temporary"  # the folder in which Spark and Hadoop write until a job has finished
_DOWNLOADS = (".part", ".partial", ".crdownload", ".download", ".filepart")
_BACKUPS = ("~", ".bak", ".orig", ".old")

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
    constants: Constants = ()  # columns with one value, which stands in the path

    @property
    def name(self) -> str:
        """The name in tables; without the folder, so that moving the file changes nothing."""
        return name_of(self.path)

    @property
    def place(self) -> str:
        """Where it was: its path, or the address of a database."""
        return place_of(self.path)

    @property
    def identity(self) -> tuple[str, ...]:
        """What a digest has of it."""
        return (self.name, self.digest, *(part for column in self.constants for part in column))

    def label(self, member: str | None = None) -> str:
        """The name in messages, for the file or for a file within it."""
        path = shown(self.place, PATH_LENGTH)
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
    paths: Sequence[Path], *, judge: Callable[[Source], LeftOut | None], exclude: Iterable[Path] = ()
) -> tuple[list[Source], list[LeftOut]]:
    """Find the source files behind files, folders and globs.

    Args:
        paths: What the user gave.
        judge: Tells what a file of a folder or glob is if it does not hold ratings; files named directly are taken.
        exclude: Files that are never taken.

    Returns:
        The sources, each once, in order; and the other files of folders and globs.

    Raises:
        ConfigError: A path does not exist or cannot be read.
        DataError: A folder or glob holds no rating file.

    """
    search = _Search({os.path.realpath(path) for path in exclude}, judge)
    for path in paths:
        matches = expand(path)
        is_glob = matches != [path]
        before = search.taken
        for match in matches:
            if match.is_dir():
                search.walk(match)
            else:
                search.add(match, named=not is_glob)
        if (is_glob or matches[0].is_dir()) and search.taken == before:
            raise DataError(_no_ratings(path, search.others, is_glob=is_glob))
    return search.sources, search.others


class _Search:
    """Collects the rating files of some paths, and what else is there."""

    def __init__(self, seen: set[str], judge: Callable[[Source], LeftOut | None]) -> None:
        self._seen = seen
        self._judge = judge
        self.taken = 0  # files with ratings, also those that an earlier path has given
        self._given: set[str] = set()
        self.sources: list[Source] = []
        self.others: list[LeftOut] = []

    def walk(self, folder: Path) -> None:
        """Add the files in a folder and below it; hidden ones are ignored."""
        tables: list[Path] = []
        for path in [folder, *sorted(_below(folder))]:
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if hidden or any(path.is_relative_to(table) for table in tables):
                continue
            if path.is_dir() and (path == folder or not path.is_symlink()):
                if path != folder:
                    _refuse_store(folder, path)
                refuse_other_tables(path)
                if (path / LOG).is_dir():
                    tables.append(path)
                    self._add_table(path, hive_columns(path / LOG, folder))
            elif _UNFINISHED in path.relative_to(folder).parts:
                reason = f"{shown(path.name)} was written by a job that has not finished"
                self.others.append(LeftOut(path.name, reason, is_fault=True))
            else:
                self.add(path, named=False, constants=hive_columns(path, folder))

    def _add_table(self, folder: Path, constants: Constants) -> None:
        files = delta_files(folder)
        for path, columns in files.items():
            self.add(path, named=False, constants=(*constants, *columns))
        there = [path for path in folder.rglob("*.parquet") if LOG not in path.relative_to(folder).parts]
        if old := len(set(there) - files.keys()):
            reason = f"{'a file' if old == 1 else f'{old:,} files'} of earlier versions of the Delta table"
            self.others.append(LeftOut(folder.name, reason, is_fault=False))

    def add(self, path: Path, *, named: bool, constants: Constants = ()) -> None:
        """Add a file, once; one that was not named only if it holds ratings."""
        real = os.path.realpath(path)
        if real in self._seen:
            self.taken += real in self._given
            return
        self._seen.add(real)
        if named:
            self._take(_source(path, named=True), real)
            return
        if odd := _odd_file(path):
            self.others.append(odd)
            return
        source = replace(_source(path, named=False), constants=constants)
        other = self._judge(source)
        if other is None:
            self._take(source, real)
        else:
            self.others.append(other)

    def _take(self, source: Source, real: str) -> None:
        self.sources.append(source)
        self._given.add(real)
        self.taken += 1


def _below(folder: Path) -> Iterator[Path]:
    """All that is below a folder; links are not followed. Raises ConfigError if it is nested too deeply."""
    for place, folders, names in walk(folder):
        if folders and depth_of(place, folder) >= DEEPEST:
            raise ConfigError(
                f"{shown(folder, PATH_LENGTH)} has folders that are nested more than {DEEPEST} deep. Name the "
                "files, or a folder with fewer levels; nothing was read."
            )
        yield from (place / name for name in (*folders, *names))


def _odd_file(path: Path) -> LeftOut | None:
    """What a thing in a folder is that is no regular file. A link may lead to ratings that nobody reads."""
    name = shown(path.name)
    if path.is_symlink() and path.is_dir():
        is_loop = path.parent.resolve().is_relative_to(path.resolve())
        what = (
            "a link to a folder that contains it"
            if is_loop
            else f"{name} is a link to a folder, which is not followed"
        )
        return LeftOut(path.name, what, is_fault=not is_loop)
    if path.is_symlink() and not path.exists():
        return LeftOut(path.name, f"{name} is a broken link", is_fault=True)
    if path.name.lower().endswith(_DOWNLOADS):
        return LeftOut(path.name, f"{name} is a download that is not finished", is_fault=True)
    if path.name.endswith(_BACKUPS) and path.with_name(re.sub(r"(~|\.\w+)$", "", path.name)).exists():
        return LeftOut(path.name, "a backup of a file next to it", is_fault=False)
    is_part = path.name.startswith("part-") and path.is_file() and (path.parent / "_SUCCESS").exists()
    if is_part and not path.stat().st_size:
        return LeftOut(path.name, "an empty part of the output of a job", is_fault=False)
    return None if path.is_file() else LeftOut(path.name, "a pipe or a device", is_fault=False)


def _refuse_store(folder: Path, path: Path) -> None:
    if is_store(path):
        raise ConfigError(
            f"The folder {shown(folder, PATH_LENGTH)} contains the store {shown(path, PATH_LENGTH)}, whose tables "
            "would be read as ratings. Name the files, or a folder without a store; nothing was read."
        )


def _no_ratings(path: Path, others: Sequence[LeftOut], *, is_glob: bool) -> str:
    found = f"found {list_files(others)}" if others else "it is empty"
    place = "What matches" if is_glob else "The folder"
    hint = " Name one file directly to learn why it is not accepted." if others else ""
    return (
        f"{place} {shown(path, PATH_LENGTH)} contains no rating file; {found}. Expected files with user, movie and "
        f"rating.{hint}"
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
