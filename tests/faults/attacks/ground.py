"""Defines an attack and its ground: a store with releases, sources, and foreign files.

Each file `attacks_*.py` in this folder has a list `ATTACKS`. tests/faults/test_attacks.py runs them.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

Digests = dict[str, str]


@dataclass(frozen=True)
class Ground:
    """The folder of one attack. The attack can change the copies `store` and `sources`; `foreign` must not change."""

    folder: Path

    @property
    def store(self) -> Path:
        """A store with two releases from `ratings` and `titles`: v0001 and the champion v0002."""
        return self.folder / "store"

    @property
    def ratings(self) -> Path:
        """The ratings of the store: CSV with the header userID,movieID,rating,date."""
        return self.folder / "sources" / "ratings.csv"

    @property
    def titles(self) -> Path:
        """The titles of the store, in the Netflix format."""
        return self.folder / "sources" / "movie_titles.csv"

    @property
    def foreign(self) -> Path:
        """Foreign files in folders with names like those of a store. No attack may change them."""
        return self.folder / "foreign"

    def fill(self, template: Path) -> None:
        """Copy the template's store and sources, and lay out the foreign folder."""
        for name in ("store", "sources"):
            _copy(template / name, self.folder / name)
        for kind in ("work", "datasets", "partitions", "releases", "running"):
            (self.foreign / kind / "mine").mkdir(parents=True)
            (self.foreign / kind / "mine" / "thesis.txt").write_text(kind)
        (self.foreign / "letter.txt").write_text("Dear reader\n")


@dataclass(frozen=True)
class Attack:
    """One hostile call of the command line, and its expected end.

    `words` can contain {store}, {ratings}, {titles}, {foreign} and {folder}. `status` is the expected exit status.
    `says` are texts that must be in stdout or stderr, and `hides` are texts that must not. `environment` is set for the
    call, with its values filled in like the words. `patches` replaces the objects of dotted names.
    """

    name: str
    words: Sequence[str]
    status: int
    prepare: Callable[[Ground], None] = lambda ground: None
    says: Sequence[str] = ()
    hides: Sequence[str] = ()
    keeps_store: bool = (
        True  # no file of the store may be changed, added or removed, except locks and the log
    )
    check: Callable[[Ground], None] = field(default=lambda ground: None)
    environment: Mapping[str, str] = field(default_factory=dict)
    patches: Mapping[str, Any] = field(default_factory=dict)

    def call(self, ground: Ground) -> list[str]:
        """The words with the ground's paths filled in."""
        return [self._filled(word, ground) for word in self.words]

    def variables(self, ground: Ground) -> dict[str, str]:
        """The environment with the ground's paths filled in."""
        return {name: self._filled(value, ground) for name, value in self.environment.items()}

    def _filled(self, text: str, ground: Ground) -> str:
        names = ("store", "ratings", "titles", "foreign", "folder")
        return text.format(**{name: str(getattr(ground, name)) for name in names})


def digests(folder: Path) -> Digests:
    """The sha256 of each file below a folder, without following links, and without locks and empty folders."""
    found, folders = {}, [str(folder)]
    for each in folders:
        for entry in _entries(each):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                was = entry.stat(follow_symlinks=False)
                changes = was.st_size, was.st_mtime_ns, was.st_ctime_ns
                found[entry.path.removeprefix(f"{folder}/")] = _sha256(entry.path, *changes)
    return found


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        return list(os.scandir(folder))
    except PermissionError:
        return []


@cache
def _sha256(path: str, *_changes: int) -> str:
    """The sha256 of a file, which is read again if its size or one of its times is another; nobody can set the last."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _copy(template: Path, folder: Path) -> None:
    """What `shutil.copytree` copies, from memory. It takes most of the time of an attack."""
    folders, files = _content(template)
    for below in folders:
        Path(f"{folder}{below}").mkdir()
    for below, mode, times, content in files:
        handle = os.open(f"{folder}{below}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            os.write(handle, content)
            os.fchmod(handle, mode)
            os.utime(handle, ns=times)
        finally:
            os.close(handle)


@cache
def _content(template: Path) -> tuple[list[str], list[tuple[str, int, tuple[int, int], bytes]]]:
    """The folders below and with a template, and its files: path, mode, times and content."""
    folders = [
        "",
        *(str(path).removeprefix(str(template)) for path in sorted(template.rglob("*")) if path.is_dir()),
    ]
    files = []
    for path in template.rglob("*"):
        if path.is_file():
            was = path.stat()
            times = was.st_atime_ns, was.st_mtime_ns
            files.append(
                (str(path).removeprefix(str(template)), stat.S_IMODE(was.st_mode), times, path.read_bytes())
            )
    return folders, files
