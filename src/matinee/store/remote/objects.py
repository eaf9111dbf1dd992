"""Requests to an object store through obstore, with errors that say what to do.

Credentials come from the environment, by obstore's own rules. Texts of the library are never shown: a request may be
part of them.
"""

import contextlib
import errno
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from matinee.errors import ConfigError, MatineeError, StoreError
from matinee.store import progress
from matinee.store.remote.address import RemoteAddress, check_environment, endpoint_of
from matinee.store.remote.transfers import LateError, RequestWait, WatchedFile

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>|status code: (\d{3})")
_DENIED: Final = re.compile(
    r"status code: 40[13]|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|Unauthenticated|"
    r"PermissionDenied"
)
_NO_CREDENTIALS: Final = re.compile(r"169\.254\.169\.254|metadata\.google|[Cc]redential")
_UNREADABLE: Final = re.compile(r"InvalidPath|path segment")
_NO_BUCKET: Final = re.compile(r"NoSuchBucket|ContainerNotFound|The specified bucket does not exist")
_QUICK: Final = (3, timedelta(seconds=10))  # retries and seconds of the first request, which may be mistaken
_PATIENT: Final = (1_000, timedelta(seconds=90))  # the time is the limit
_SILENT_SECONDS: Final = 100.0  # without a sign of life, after which a server counts as gone
_REQUEST: Final = timedelta(minutes=10)  # for one chunk, on a slow network
_CHUNK, _CHUNKS_AT_ONCE = 1 << 23, 3  # bytes; of an upload
_CHUNK_READ: Final = 1 << 20  # bytes
_SLOWEST: Final = 1 << 16  # bytes per second of an upload
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class ListedObject:
    """An object in a list."""

    key: str
    size: int
    e_tag: str | None
    modified: datetime  # by the clock of the server


@dataclass(frozen=True)
class Content:
    """The bytes of an object, and what `swap` compares."""

    data: bytes
    tag: Mapping[str, str]
    modified: datetime


class Objects:
    """The objects under the prefix of an address."""

    def __init__(self, address: RemoteAddress) -> None:
        self.address = address
        self._is_reached = False

    def reconnect(self) -> None:
        """Read the environment again before the next request."""
        vars(self).pop("_clients", None)

    def get(self, key: str) -> Content | None:
        """The content of an object; None if there is none."""

        def get(obstore: Any, store: "ObjectStore") -> Content:
            got = obstore.get(store, key)
            return Content(bytes(got.bytes()), _tag(got.meta), got.meta["last_modified"])

        with contextlib.suppress(FileNotFoundError):
            return self._ask(get)
        return None

    def exists(self, key: str) -> bool:
        """Whether there is an object of that name."""
        return self.find(key) is not None

    def find(self, key: str) -> ListedObject | None:
        """An object as a list shows it; None if there is none."""
        with contextlib.suppress(FileNotFoundError):
            meta = self._ask(lambda obstore, store: obstore.head(store, key))
            return ListedObject(key, meta["size"], meta["e_tag"], meta["last_modified"])
        return None

    def put(self, key: str, data: bytes) -> str | None:
        """Write an object, in place of another one. Returns its ETag."""
        e_tag: str | None = self._ask(lambda obstore, store: obstore.put(store, key, data))["e_tag"]
        return e_tag

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless there is one of that name; returns whether it is ours.

        `data` has to be unique. A request whose answer was lost is sent again, and then finds its own object.
        """
        return self._put_if(key, data, mode="create")

    def swap(self, key: str, data: bytes, tag: Mapping[str, str]) -> bool:
        """Replace an object if it is still the one that was read; returns whether it is ours. `data` is unique."""
        return self._put_if(key, data, mode=dict(tag))

    def upload(self, key: str, path: Path) -> str | None:
        """Write a file as an object, a few chunks of it in memory at a time. Returns its ETag."""
        # Of these bytes, nothing is heard while they are sent.
        unread = min(path.stat().st_size, _CHUNK * _CHUNKS_AT_ONCE)
        awaited = RequestWait(_SILENT_SECONDS + unread / _SLOWEST)

        def put(obstore: Any, store: "ObjectStore") -> Any:
            with WatchedFile(path, awaited) as file:
                return obstore.put(store, key, file, chunk_size=_CHUNK, max_concurrency=_CHUNKS_AT_ONCE)

        e_tag: str | None = self._ask(put, awaited)["e_tag"]
        return e_tag

    def download(self, key: str, path: Path, *, e_tag: str | None = None) -> bool:
        """Write an object to a new file; returns False if there is none, or another version than that of an ETag."""
        awaited = RequestWait(_SILENT_SECONDS)

        def write(obstore: Any, store: "ObjectStore") -> None:
            got = obstore.get(store, key)
            if e_tag is not None and got.meta["e_tag"] != e_tag:
                raise FileNotFoundError(errno.ENOENT, "another version", key)
            awaited.sign()  # if nobody waits any more, the file is that of a later attempt
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for chunk in got.stream(min_chunk_size=_CHUNK_READ):
                    awaited.sign()
                    progress.advance(file.write(chunk))

        with contextlib.suppress(FileNotFoundError):
            self._ask(write, awaited)
            return True
        return False

    def list(self, prefix: str, *, after: str | None = None) -> list[ListedObject]:
        """The objects under a prefix such as `log/`, in the order of their names, or those after one of them."""
        awaited = RequestWait(_SILENT_SECONDS)

        def read(obstore: Any, store: "ObjectStore") -> list[ListedObject]:
            found = []
            for page in obstore.list(store, prefix.rstrip("/"), offset=after):
                awaited.sign()
                found += [
                    ListedObject(each["path"], each["size"], each["e_tag"], each["last_modified"])
                    for each in page
                ]
            return found

        return sorted(self._ask(read, awaited), key=lambda each: each.key)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that do not exist are left out."""
        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                self._ask(partial(_delete, key=key))

    def _put_if(self, key: str, data: bytes, *, mode: Any) -> bool:
        errors = self._obstore.exceptions
        refused = (errors.AlreadyExistsError, errors.PreconditionError)
        with contextlib.suppress(*refused):
            self._ask(lambda obstore, store: obstore.put(store, key, data, mode=mode), refused=refused)
            return True
        there = self.get(key)
        return there is not None and there.data == data

    @cached_property
    def _clients(self) -> "tuple[ObjectStore, ObjectStore]":
        """One that gives up soon, for the first request, and one that outlasts a failure of some minutes."""
        obstore = self._obstore
        check_environment(self.address.scheme)
        try:
            clients = [
                obstore.store.from_url(
                    self.address.text,
                    retry_config={"max_retries": retries, "retry_timeout": seconds},
                    client_options={
                        "allow_http": True,
                        "timeout": _REQUEST,
                        "connect_timeout": "10s",
                    },
                )
                for retries, seconds in (_QUICK, _PATIENT)
            ]
        except obstore.exceptions.BaseError as error:  # its text may hold a credential
            raise ConfigError(
                f"The store {self.address.text} can't be asked for anything ({type(error).__name__}). Check the "
                "variables of its provider in the environment, such as the endpoint, the account and the key file."
            ) from None
        return clients[0], clients[1]

    @cached_property
    def _obstore(self) -> Any:
        """The library, which only stores in an object store need."""
        try:
            import obstore  # noqa: PLC0415
            import obstore.exceptions  # noqa: PLC0415
            import obstore.store  # noqa: PLC0415
        except ImportError:
            raise ConfigError(
                f"The store {self.address.text} needs the package obstore, which is not installed. Install it with "
                '`pip install "matinee[s3]"`.'
            ) from None
        return obstore

    def _ask(
        self,
        request: "Callable[[Any, ObjectStore], _Answer]",
        awaited: RequestWait | None = None,
        *,
        refused: tuple[type[Exception], ...] = (),
    ) -> _Answer:
        """The answer to a request of the library.

        Errors become Matinee's. FileNotFoundError and `refused`, of a write whose condition is not met, are for the
        caller.
        """
        quick, patient = self._clients
        client, errors = patient if self._is_reached else quick, self._obstore.exceptions
        try:
            answer = (awaited or RequestWait(_SILENT_SECONDS)).result(partial(request, self._obstore, client))
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise self._failure(str(error)) from OSError(errno.ENOENT, "no such bucket")
            self._is_reached = True
            raise
        except refused:
            self._is_reached = True
            raise
        except LateError:
            raise self._failure("") from OSError(errno.ETIMEDOUT, "no answer")
        except errors.BaseError as error:
            code = errno.EACCES if _DENIED.search(str(error)) else errno.EIO
            raise self._failure(f"{type(error).__name__} {error}") from OSError(code, "request failed")
        self._is_reached = True
        return answer

    def _failure(self, text: str) -> MatineeError:
        """The error for what an object store or the network answered."""
        place, found = self.address.text, _CODE.search(text)
        code = next((group for group in (found.groups() if found else ()) if group), "")
        if _NO_BUCKET.search(text):
            return ConfigError(
                f"There is no bucket {self.address.bucket} for the store {place}. Check the name and the endpoint, or "
                "create the bucket. Nothing was changed."
            )
        if _NO_CREDENTIALS.search(text) and "AccessDenied" not in text:
            return StoreError(
                f"No credentials for the store {place} were found. Set those of its provider in the environment, such "
                "as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them."
            )
        if _DENIED.search(text):
            return StoreError(
                f"Access to the store {place} was denied ({code or 'no reason given'}). Check the credentials in the "
                "environment, and that they may list, read, write and delete objects under the prefix."
            )
        if _UNREADABLE.search(text):
            return ConfigError(
                f"An object under {place} has a name that can't be read, with an empty part or a dot between slashes, "
                "such as a//b. Rename or remove it with the tools of the provider."
            )
        if code:
            return StoreError(
                f"The object store of {place} refused a request ({code}). Run the same command again, which continues; "
                "if it fails again, check the bucket with the tools of its provider."
            )
        endpoint = endpoint_of(self.address.scheme)
        return StoreError(
            f"The object store of {place} can't be reached{endpoint and f': {endpoint} does not answer'}. Check the "
            "network and the endpoint (AWS_ENDPOINT_URL for a server other than Amazon's). Finished steps are kept, "
            "and the same command continues."
        )


def _delete(obstore: Any, store: "ObjectStore", key: str) -> None:
    obstore.delete(store, key)


def _tag(meta: Any) -> Mapping[str, str]:
    """What makes an object the one that was read: the ETag, and on Google's store the generation."""
    return {key: meta[key] for key in ("e_tag", "version") if meta.get(key) is not None}
