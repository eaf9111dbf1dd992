"""Loads a release by its folder, or the champion by the folder of its store."""

import os
from pathlib import Path

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.registry.registry import Registry
from matinee.release.answers import Release
from matinee.release.release import PublicKey
from matinee.release.release import load as load_release
from matinee.store.documents import MANIFEST
from matinee.store.identity import is_store
from matinee.store.remote import names_remote
from matinee.store.versions import is_version


def load(path: str | Path, *, tested: bool = False, public_key: PublicKey = None) -> Release:
    """Load a release, or the champion of a store, and verify that its files are those that were published.

    Args:
        path: The folder of a release, such as `store/releases/v0001`, or of a store, such as `store`. Either may be in
            an object store: `s3://bucket/store` or `s3://bucket/store/releases/v0001`.
        tested: Load the weights that the release's figures were measured with, if `train.refit=all` published others.
        public_key: The file of a minisign public key that must have signed the release. None takes the file that the
            environment variable MATINEE_PUBLIC_KEY names, if any; False checks no signature.

    Returns:
        The loaded release. Loading needs only numpy, pyarrow, pydantic and safetensors.

    Raises:
        ReleaseError: A file is missing, was changed, is not listed in the manifest or has a later schema version; its
            tables don't fit together; the signature is missing or wrong; or the store has no champion yet.
        StoreError: This user may not read the store.
        ConfigError: The path is empty, or the key can't be read.

    Examples:
        >>> import matinee
        >>> matinee.load("store/releases/v0001")
        Release(v0001: dot, 400 users, 150 movies, store/releases/v0001)
        >>> matinee.load("store").version
        'v0001'
    """
    if "\0" in str(path):
        raise ConfigError(f"{shown(path)} is not a path: it has a NUL character.")
    folder = _folder(path)
    if str(path) and not os.path.lexists(folder / MANIFEST) and is_store(folder):
        folder = Registry.open(folder).champion_folder()
    return load_release(folder if str(path) else "", tested=tested, public_key=public_key)


def _folder(path: str | Path) -> Path:
    """The folder of a store or a release on this host; that of an address is its cache, or a release fetched to it."""
    if not names_remote(path):
        return Path(path)
    store, slash, version = str(path).rstrip("/").rpartition("/releases/")
    if not slash or not is_version(version):
        return Registry.open(Path(path)).root
    registry = Registry.open(Path(store))
    return registry.listed(version)
