"""Sign a release of a store in an object store."""

from collections.abc import Callable

from matinee.errors import StoreError
from matinee.errors.text import show_as
from matinee.maintenance.scratch import scratch_store
from matinee.release import inspect
from matinee.release.signature import sign
from matinee.store.remote import Remote
from matinee.store.remote.folders import RemoteFolders

_KIND = "releases"


def sign_remote(remote: Remote, version: str, *, ask: Callable[[], str] | None) -> None:
    """Check a release, sign a copy of it, and put the copy in its place. Call it under the registry's lock.

    The cache is not signed: other processes of this host make the cache equal to the object store at any time.

    Args:
        remote: The store.
        version: Name of the release.
        ask: Asks for the password of the key, if it has one; see `matinee.release.signature.sign`.

    Raises:
        ConfigError: There is no key, or it can't be used.
        ReleaseError: The release is damaged.
        StoreError: Another process has replaced or removed the release meanwhile, for example `forget`.
    """
    with scratch_store(remote.root, "signing") as copy:
        show_as(copy, remote.name, with_files=True)
        folders = RemoteFolders(copy, remote.objects)
        there = folders.find(_KIND, version)
        if not folders.pull(_KIND, version):
            raise StoreError(f"{version} of {remote.name} was removed meanwhile. Nothing was signed.")
        folder = copy / _KIND / version
        inspect(folder, public_key=False)
        sign(folder, ask=ask)
        folders.replace(there, reads_back=True)
