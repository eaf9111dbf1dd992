"""Ratings in an object store as sources: each object becomes a file in the cache of this host, which is read as usual.

An object is known again by its name, size and ETag. Then nothing is fetched.
"""

import fnmatch
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError, StoreError
from matinee.errors.text import shown
from matinee.store import progress
from matinee.store.digests import digest_of
from matinee.store.files import replacing
from matinee.store.remote import caches, names_remote
from matinee.store.remote.address import RemoteAddress, parse_address
from matinee.store.remote.objects import Found, Objects

log = logging.getLogger("matinee.run")

_FOLDER: Final = "sources"  # of the caches
_WILD: Final = re.compile(r"[*?\[]")


def local_sources(sources: Sequence[str | Path]) -> list[str]:
    """The sources of a call, with the files of this host in place of those in an object store.

    Args:
        sources: Paths, addresses of databases, and addresses such as `s3://bucket/ratings.csv`, `s3://bucket/2026/` for
            all objects under a prefix, or `s3://bucket/*.csv`. Objects are fetched unless the cache has them.

    Returns:
        A path or the address of a database for each file, in order.

    Raises:
        ConfigError: An address is not readable, or nothing is there.
        StoreError: The object store can't be reached or denies access.
    """
    return [path for source in sources for path in _files_of(str(source))]


def _files_of(source: str) -> list[str]:
    if not names_remote(source):
        return [source]
    place, wild, below = _split(source)
    objects = Objects(place)
    if below or _WILD.search(wild):
        there = [each for each in objects.list("") if each.size and _is_meant(each.key, wild, below=below)]
    else:
        there = [each for each in [objects.find(wild)] if each is not None]
    if not there:
        raise ConfigError(
            f"{shown(source)} has no objects. Expected the name of an object, a prefix that ends with a slash, or a "
            "pattern such as s3://bucket/2026/*.csv. Nothing was started."
        )
    progress.begin("fetching ratings", total=sum(each.size for each in there), unit="bytes")
    return [str(_fetch(objects, each)) for each in there]


def _split(source: str) -> tuple[RemoteAddress, str, bool]:
    """The folder of a source, the pattern of names in it, and whether all names below it are meant."""
    scheme, _, rest = source.partition(":")
    rest = rest.strip("/") + ("/" if rest.endswith("/") else "")
    folder, _, name = rest.rpartition("/")
    while _WILD.search(folder):
        folder, _, last = folder.rpartition("/")
        name = f"{last}/{name}"
    if not folder:
        folder, name = name, ""
    return parse_address(f"{scheme}://{folder}"), name, not name


def _is_meant(key: str, pattern: str, *, below: bool) -> bool:
    parts, wanted = key.split("/"), pattern.split("/")
    if below:
        return not any(part.startswith((".", "_")) for part in parts)
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _fetch(objects: Objects, found: Found) -> Path:
    """The file of an object in the cache."""
    name = digest_of(place=objects.address.text, key=found.key, size=found.size, e_tag=found.e_tag)
    path = caches() / _FOLDER / name / found.key.rpartition("/")[2]
    if path.is_file() and path.stat().st_size == found.size:
        progress.advance(found.size)
        return path
    log.info("fetching %s/%s", objects.address.text, shown(found.key))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh:
        if not objects.download(found.key, fresh) or fresh.stat().st_size != found.size:
            raise StoreError(
                f"{objects.address.text}/{shown(found.key)} was changed while it was fetched. Run the same command "
                "again."
            )
    progress.advance(found.size)
    return path


def local_file(source: str) -> str:
    """A path, or the file of the one object that an address names. Errors are those of `local_sources`."""
    found = _files_of(source)
    if len(found) > 1:
        raise ConfigError(
            f"{shown(source)} has {len(found):,} objects. Expected one file. Nothing was started."
        )
    return found[0]
