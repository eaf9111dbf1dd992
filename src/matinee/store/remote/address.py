"""Addresses of stores in object stores (`s3://bucket/prefix`), and the folder of this host that caches such a store.

The cache is a store like any other. A file in it names the address, so every function that gets the folder knows it.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from matinee.errors import ConfigError
from matinee.store.digests import digest_of
from matinee.store.documents import read_as
from matinee.store.files import write_json
from matinee.store.identity import make_store
from matinee.store.paths import is_unknown_address, named
from matinee.store.user_cache import CACHE, user_cache

MARK: Final = "matinee-remote.json"  # in a cache: the address
_ADDRESS: Final = re.compile(r"(s3|gs|az):/{1,2}(.*)", re.IGNORECASE | re.DOTALL)  # a Path merges slashes
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_PART: Final = re.compile(r"[A-Za-z0-9_=+,. -]{1,200}")
_ACCOUNT: Final = "AZURE_STORAGE_ACCOUNT_NAME"
_ENDPOINT: Final = re.compile(
    r"https?://(?:[^/@\s]*@)?([A-Za-z0-9._-]+(?::[0-9]+)?|\[[0-9A-Fa-f:.]+\](?::[0-9]+)?)(?:/\S*)?",
    re.IGNORECASE,
)
_ENDPOINTS_OF: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": (_ACCOUNT, "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
}
_ENDPOINTS: Final = tuple(name for names in _ENDPOINTS_OF.values() for name in names)
_LONGEST: Final = 150  # characters of a folder's name


@dataclass(frozen=True)
class RemoteAddress:
    """The bucket and the prefix of a store."""

    scheme: str
    bucket: str
    prefix: str  # empty for the whole bucket

    @property
    def text(self) -> str:
        """The address as a call gives it."""
        return f"{self.scheme}://{self.bucket}{'/' if self.prefix else ''}{self.prefix}"

    @property
    def parents(self) -> list["RemoteAddress"]:
        """The prefixes that this one is in, the whole bucket last."""
        parts = self.prefix.split("/") if self.prefix else []
        return [
            RemoteAddress(self.scheme, self.bucket, "/".join(parts[:count]))
            for count in range(len(parts) - 1, -1, -1)
        ]


class RemoteMark(BaseModel):
    """matinee-remote.json in a cache."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    address: str
    store: str | None = None  # the identity of the store there, once it was seen


def names_remote(store: str | Path) -> bool:
    """Whether the store of a call is in an object store, not a folder.

    >>> [names_remote(text) for text in ("s3://bucket/store", "store", "./s3:/store")]
    [True, False, False]
    """
    return _ADDRESS.match(str(store)) is not None


def parse_address(text: str) -> RemoteAddress:
    """The bucket and prefix that an address names.

    Raises ConfigError if it is not readable. The error does not quote it, because a secret may be part of it.
    """
    found = _ADDRESS.fullmatch(text)
    bucket, _, prefix = (found[2] if found else "").strip("/").partition("/")
    parts = [part for part in prefix.split("/") if part]
    if (
        not found
        or not _BUCKET.fullmatch(bucket)
        or not all(_PART.fullmatch(part) and part not in (".", "..") for part in parts)
    ):
        raise unreadable_address()
    return RemoteAddress(found[1].lower(), bucket, "/".join(parts))


def check_separate(drop: str | Path, store: str | Path) -> None:
    """Raise ConfigError if a drop folder and a store in the same bucket contain each other."""
    if not (names_remote(drop) and names_remote(store)):
        return
    folder, other = parse_address(str(drop)), parse_address(str(store))
    if other in (folder, *folder.parents) or folder in other.parents:
        raise ConfigError(
            f"The store {other.text} and the drop folder {folder.text} contain each other, so files of the store "
            "would be read as ratings. Use two separate prefixes. Nothing was started."
        )


def unreadable_address() -> ConfigError:
    """The error for an address that is not readable, without its text."""
    return ConfigError(
        "The address in an object store is not readable. Expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
        "az://CONTAINER/PREFIX. A bucket has at least two characters, and a prefix has only letters, digits and "
        "._-=+, between slashes. Credentials and endpoints come from the "
        "environment, not from the address."
    )


def caches() -> Path:
    """The folder of all caches of this user."""
    return user_cache()


def endpoint_of(scheme: str) -> str:
    """The server that the environment names for the addresses of a scheme, without credentials; empty for none."""
    texts = (os.environ.get(name) or "" for name in _ENDPOINTS_OF[scheme] if name != _ACCOUNT)
    return next((found[1] for text in texts if (found := _ENDPOINT.fullmatch(text))), "")


def check_environment(scheme: str) -> None:
    """Raise ConfigError, without its value, for a variable that the library does not survive."""
    for name, text in os.environ.items():
        if scheme == "s3" and name.startswith("AWS_") and not text.isprintable():
            raise ConfigError(
                f"{name} in the environment contains a line break or another control character. Remove it "
                "from the value."
            )
        if text and name in _ENDPOINTS_OF[scheme] and name != _ACCOUNT and not _ENDPOINT.fullmatch(text):
            raise ConfigError(
                f"{name} in the environment is not the address of a server. Expected http://HOST:PORT or https://HOST."
            )


def cache_of(address: RemoteAddress) -> Path:
    """The folder that caches a store on this host."""
    # Buckets of two servers may have the same name.
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", address.text)[:_LONGEST]
    name = f"{name}-{digest_of(address=address.text, endpoint=endpoint)[:8]}"
    return caches() / name


def local_store(store: str | Path) -> Path:
    """The folder of a store on this host: the folder itself, or the cache of an address, which is created.

    The object store is not contacted. Raises ConfigError for an address that is not readable, and for an empty path.
    """
    if not names_remote(store):
        if is_unknown_address(store):
            raise ConfigError(
                f"{store} is not an address that can be used; expected s3://, gs://, az:// or a folder."
            )
        return named(store, "the store")
    address = parse_address(str(store))
    cache = cache_of(address)
    try:
        make_store(cache)
        if not (cache / MARK).is_file():
            write_json(cache / MARK, RemoteMark(address=address.text))
    except OSError as error:
        raise ConfigError(
            f"The cache {cache} of {address.text} can't be written: {error.strerror or error}. Set {CACHE} to a folder "
            "that this user may write to."
        ) from error
    return cache


def read_mark(cache: Path) -> RemoteMark:
    """The address that a cache belongs to. Raises StoreError if the file is damaged."""
    return read_as(cache / MARK, RemoteMark)
