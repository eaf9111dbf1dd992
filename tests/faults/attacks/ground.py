"""What an attack is, and the ground it is tried on: a store with releases, sources, and somebody else's files.

A table of attacks is a file `attacks_*.py` here with a list `ATTACKS`; tests/faults/test_attacks.py runs them.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matinee.cli.main import main

Digests = dict[str, str]


@dataclass(frozen=True)
class Ground:
    """The folder of one attack. `store` and `sources` are copies that the attack may spoil; `foreign` must stay."""

    folder: Path

    @property
    def store(self) -> Path:
        """A store with two releases, v0001 and the champion v0002, made from `ratings` and `titles`."""
        return self.folder / "store"

    @property
    def ratings(self) -> Path:
        """The ratings that the store was made from: CSV with the header userID,movieID,rating,date."""
        return self.folder / "sources" / "ratings.csv"

    @property
    def titles(self) -> Path:
        """The titles that the store was made from, in the Netflix format."""
        return self.folder / "sources" / "movie_titles.csv"

    @property
    def foreign(self) -> Path:
        """A folder of somebody else's files, with folders named like those of a store. No attack may change it."""
        return self.folder / "foreign"

    def fill(self, template: Path) -> None:
        """Copy the template's store and sources, and lay out the foreign folder."""
        for name in ("store", "sources"):
            shutil.copytree(template / name, self.folder / name)
        for kind in ("work", "datasets", "partitions", "releases", "running"):
            (self.foreign / kind / "mine").mkdir(parents=True)
            (self.foreign / kind / "mine" / "thesis.txt").write_text(kind)
        (self.foreign / "letter.txt").write_text("Dear reader\n")


@dataclass(frozen=True)
class Attack:
    """One hostile call of the command line, and how it must end.

    `words` may hold {store}, {ratings}, {titles}, {foreign} and {folder}. `status` is the exit status that is expected,
    `says` are texts that stdout and stderr together must hold, `hides` are texts that must not occur in them.
    `environment` is set for the call, its values filled in as the words are; `patches` replaces what dotted names mean.
    `program` takes the words; it is the command `matinee` unless another is named.
    """

    name: str
    words: Sequence[str]
    status: int
    prepare: Callable[[Ground], None] = lambda ground: None
    says: Sequence[str] = ()
    hides: Sequence[str] = ()
    keeps_store: bool = True  # no file of the store may be changed, added or removed, but locks and the log
    check: Callable[[Ground], None] = field(default=lambda ground: None)
    environment: Mapping[str, str] = field(default_factory=dict)
    patches: Mapping[str, Any] = field(default_factory=dict)
    program: Callable[[list[str]], int] = main

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
    """The sha256 of each file below a folder, links not followed; locks and empty folders are left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
