"""Ratings in an object store as sources: each object becomes a file in the cache of this host, which is read as usual.

A prefix becomes a folder and a pattern a glob, so the rules of folders and globs hold. An object is known again by its
name, size and ETag. Then nothing is fetched.
"""

import fnmatch
import glob
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.store import progress
from matinee.store.remote import names_remote
from matinee.store.remote.address import RemoteAddress, parse_address, unreadable_address
from matinee.store.remote.objects import ListedObject, Objects
from matinee.store.remote.source_cache import SourceCache, source_cache
from matinee.store.remote.transfers import transfer_all

log = logging.getLogger("matinee.run")

_WILD: Final = re.compile(r"[*?\[]")
_SECRET: Final = re.compile(r"\?[^/]*=|@.*?/|:.*@")  # of the part after `s3://`: a query, or a login
_MARKERS: Final = ("_SUCCESS",)  # objects without content that say something


def local_sources(sources: Sequence[str | Path]) -> list[str]:
    """The sources of a call, with paths of this host in place of addresses in an object store.

    Args:
        sources: Paths, addresses of databases, and addresses such as `s3://bucket/ratings.csv`, `s3://bucket/2026/` for
            the objects under a prefix, or `s3://bucket/*.csv`. Objects are fetched unless the cache has them.

    Returns:
        A file, a folder, a glob or the address of a database for each source, in order.

    Raises:
        ConfigError: An address is not readable, or nothing is there.
        StoreError: The object store can't be reached or denies access.
    """
    texts = map(str, sources)
    return [_fetched(text).path if names_remote(text) else text for text in texts]


def local_file(source: str) -> str:
    """A path, or the file of the one object that an address names. Errors are those of `local_sources`."""
    if not names_remote(source):
        return source
    found = _fetched(source)
    if len(found.files) > 1:
        raise ConfigError(
            f"{found.address} has {len(found.files):,} objects. Expected one file. Nothing was started."
        )
    return found.files[0]


@dataclass(frozen=True)
class _Fetched:
    """What a source became on this host."""

    address: str  # to be shown
    path: str  # a file, a folder or a glob
    files: list[str]


@dataclass(frozen=True)
class _Wanted:
    """The objects that a source names."""

    place: RemoteAddress  # the folder around them
    pattern: str  # of their names in that folder; empty for all
    is_one: bool  # whether the pattern is the name of one object

    @property
    def address(self) -> str:
        """The source, to be shown."""
        return shown(f"{self.place.text}/{self.pattern}")

    def key(self, name: str) -> str:
        """The name of an object in the bucket."""
        return f"{self.place.prefix}/{name}" if self.place.prefix else name

    def means(self, name: str) -> bool:
        """Whether the source names an object, or a folder around it. Hidden ones are left out, as in a folder."""
        if self.is_one:
            return name == self.pattern
        return _is_meant(name.split("/"), self.pattern.split("/") if self.pattern else [])


def _fetched(source: str) -> _Fetched:
    wanted = _wanted(source)
    objects = Objects(wanted.place)
    there = {wanted.key(each.key): each for each in _find(objects, wanted)}
    with source_cache(wanted.place) as cache:
        before = wanted.key("")
        cache.drop(
            lambda key: key.startswith(before) and key not in there and wanted.means(key.removeprefix(before))
        )
        if not there:
            raise ConfigError(
                f"{wanted.address} has no objects. Expected the name of an object, a prefix that ends with a slash, "
                "or a pattern such as s3://bucket/2026/*.csv. Nothing was started."
            )
        fetch_new(cache, objects, there, name=wanted.address)
        folder = cache.root / wanted.place.prefix
    path = str(folder / wanted.pattern) if wanted.is_one else str(folder)
    if wanted.pattern and not wanted.is_one:
        path = f"{glob.escape(str(folder))}/{wanted.pattern}"
    return _Fetched(wanted.address, path, [str(cache.path(key)) for key in there])


def fetch_new(cache: SourceCache, objects: Objects, there: Mapping[str, ListedObject], *, name: str) -> None:
    """Fetch the objects that the cache lacks, or has an earlier version of.

    Args:
        cache: The cache of the bucket.
        objects: Where the objects are.
        there: The objects by their names in the bucket.
        name: What they are called in the log.

    Raises:
        ConfigError: An object has a name that no file can have.
        StoreError: An object is changed meanwhile, or the object store can't be reached or denies access.
    """
    new = {key: found for key, found in there.items() if not cache.has(key, found)}
    if new:
        log.info("fetching %s (%d objects)", name, len(new))
    progress.begin("fetching ratings", total=sum(each.size for each in new.values()), unit="bytes")
    transfer_all(
        partial(cache.take, key, found, partial(objects.download, found.key, e_tag=found.e_tag))
        for key, found in new.items()
    )
    cache.give([*there])


def _find(objects: Objects, wanted: _Wanted) -> list[ListedObject]:
    if wanted.is_one:
        return [each for each in [objects.find(wanted.pattern)] if each is not None]
    there = [each for each in objects.list("") if wanted.means(each.key)]
    # An empty object may stand for a folder.
    return [each for each in there if each.size or each.key.rpartition("/")[2] in _MARKERS]


def _wanted(source: str) -> _Wanted:
    """What a source names. Raises ConfigError, without the text, if it is not readable or has a secret."""
    scheme, _, rest = source.partition(":")
    rest = rest.lstrip("/")
    if _SECRET.search(rest):
        raise unreadable_address()
    folder, _, name = rest.rpartition("/")
    while _WILD.search(folder):
        folder, _, last = folder.rpartition("/")
        name = f"{last}/{name}" if name else last
    if not folder:
        folder, name = name, ""
    return _Wanted(parse_address(f"{scheme}://{folder}"), name, bool(name) and not _WILD.search(name))


def _is_meant(parts: list[str], wanted: list[str]) -> bool:
    """Whether a pattern matches the path of an object or a folder around it, as `matinee.store.paths.expand` does."""
    if not wanted:
        return not any(part.startswith(".") for part in parts)
    if not parts:
        return False
    if wanted[0] == "**" and (_is_meant(parts, wanted[1:]) or _is_meant(parts[1:], wanted)):
        return True
    is_hidden = parts[0].startswith(".") and not wanted[0].startswith(".")
    return not is_hidden and fnmatch.fnmatchcase(parts[0], wanted[0]) and _is_meant(parts[1:], wanted[1:])
