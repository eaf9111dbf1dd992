"""Signatures of releases in the format of minisign (Ed25519). They prove who wrote a release; checksums do not.

The manifest has the sha256 of every file, so its signature covers the whole release. It is next to the manifest, as
`manifest.json.minisig`, where the command `minisign` looks for it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from matinee.errors import ConfigError, ReleaseError
from matinee.errors.text import shown
from matinee.release.folder import Folder, open_folder, read_file
from matinee.release.manifest import SIGNATURE, parse_manifest, read_manifest_bytes
from matinee.store.files import read_plain, write_bytes

if TYPE_CHECKING:
    from minisign import PublicKey, SecretKey

PUBLIC_KEY: Final = "MATINEE_PUBLIC_KEY"  # a file; every release that is used must be signed by this key
SIGNING_KEY: Final = "MATINEE_SIGNING_KEY"  # a file; publish and forget sign with it
PASSWORD_FILE: Final = "MATINEE_SIGNING_PASSWORD_FILE"  # a file whose first line decrypts the signing key
_LARGEST: Final = 1 << 14  # bytes of a key or a signature: the format allows about half
_INSTALL: Final = "Signatures need py-minisign: pip install 'matinee[sign]'."


def trusted_key(given: str | Path | Literal[False] | None) -> Path | None:
    """The file of the public key: the given one, or that of the environment; None for False or without one.

    Raises ConfigError for an empty path.
    """
    if given is False:
        return None
    if given is not None and str(given) in ("", "."):
        raise ConfigError("An empty path was given as the public key. Name the file that minisign wrote.")
    return Path(given) if given is not None else _from_environment(PUBLIC_KEY)


def signing_key() -> Path | None:
    """The file of the key to sign with, if the environment names one."""
    return _from_environment(SIGNING_KEY)


def check_signature(folder: Folder, manifest: bytes, *, key: Path) -> None:
    """Raise ReleaseError unless the manifest with these bytes is signed by a key."""
    public = read_public_key(key)
    if not _has_signature(folder):
        raise ReleaseError(
            f"{shown(folder.path)} is not signed, and only releases signed by the key in {key} may be used. "
            "If it is your release, sign it with `matinee sign`. Otherwise do not use it."
        )
    if not _is_signed(folder, manifest, public):
        raise ReleaseError(
            f"{shown(folder.path / SIGNATURE)} is not a signature of this manifest by the key in {key}: the manifest "
            "was changed, or somebody else signed it. Do not use the release. Restore it from a backup, or roll back."
        )


def check_signing() -> None:
    """Raise ConfigError if the environment names a signing key that can't sign."""
    if (path := signing_key()) is not None:
        _unlock(path, ask=None).wipe()


def check_publishing() -> None:
    """Raise ConfigError, before hours of training, if the release of a run could not be used here.

    A signing key must be able to sign. With a public key, releases must be signed by its secret key.
    """
    check_signing()
    public, secret = _from_environment(PUBLIC_KEY), signing_key()
    if public is None:
        return
    trusted = read_public_key(public)
    if secret is None:
        raise ConfigError(
            f"{PUBLIC_KEY} is set, so only signed releases may be used, but this run would publish one without a "
            f"signature. Set {SIGNING_KEY} to the secret key, or unset {PUBLIC_KEY}."
        )
    with _unlock(secret, ask=None) as key:
        try:
            trusted.verify(b"matinee", key.sign(b"matinee"))
        except ValueError:
            raise ConfigError(
                f"The signing key {shown(secret)} does not belong to the public key {shown(public)}, so the release of "
                f"this run could not be used. Correct {SIGNING_KEY} or {PUBLIC_KEY}."
            ) from None


def sign(path: Path, *, ask: Callable[[], str] | None = None) -> None:
    """Sign the manifest of a release with the key that the environment names.

    Args:
        path: The folder of the release.
        ask: Called for the password of the key, if no file has it.

    Raises:
        ConfigError: There is no key, or it can't sign.
    """
    key = signing_key()
    if key is None:
        raise ConfigError(
            f"There is no signing key. Set {SIGNING_KEY} to the file of a secret key; `minisign -G` creates one."
        )
    with open_folder(path) as folder:
        manifest = read_manifest_bytes(folder)
    version = parse_manifest(path, manifest).version
    with _unlock(key, ask=ask) as secret:
        signed = bytes(secret.sign(manifest, trusted_comment=f"matinee release {version}"))
    write_bytes(path / SIGNATURE, signed + b"\n")


def is_signed_by_us(path: Path) -> bool:
    """Whether a release is signed by the signing key of the environment."""
    key = signing_key()
    if key is None:
        return False
    with _unlock(key, ask=None) as secret, open_folder(path) as folder:
        public = secret.get_public_key()
        return _has_signature(folder) and _is_signed(folder, read_manifest_bytes(folder), public)


def read_public_key(path: Path) -> "PublicKey":
    """The public key in a file as minisign writes it.

    Raises ConfigError when there is none.
    """
    try:
        from minisign import PublicKey  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigError(_INSTALL) from None
    try:
        return PublicKey.from_bytes(_read(path, "public key"))
    except ValueError as error:
        raise ConfigError(
            f"{path} is not a minisign public key: {shown(error)}. `minisign -G` makes one."
        ) from None


def _unlock(path: Path, *, ask: Callable[[], str] | None) -> "SecretKey":
    """The secret key in a file, ready to sign."""
    try:
        from minisign import SecretKey  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigError(_INSTALL) from None
    try:
        secret = SecretKey.from_bytes(_read(path, "secret key"))
        if not secret.is_encrypted():
            return secret
    except ValueError as error:
        raise ConfigError(
            f"{path} is not a minisign secret key: {shown(error)}. `minisign -G` makes one."
        ) from None
    file = _from_environment(PASSWORD_FILE)
    if file is not None:
        password = _read(file, "password").decode("utf-8", "replace").partition("\n")[0].rstrip("\r")
    elif ask is not None:
        password = ask()
    else:
        raise ConfigError(
            f"The signing key {path} has a password. Set {PASSWORD_FILE} to a file that holds it, or make a key "
            "without one: `minisign -G -W`."
        )
    try:
        secret.decrypt(password)
    except MemoryError:
        raise ConfigError(
            f"There is not enough memory to open the signing key {path}, which takes about 1 GB. Free some, or make a "
            "key without a password: `minisign -G -W`."
        ) from None
    except (ValueError, OSError):
        source = f"in {file}" if file is not None else "that was typed"
        raise ConfigError(
            f"The password {source} does not open the signing key {path}. Give the one that the key was made with."
        ) from None
    return secret


def _is_signed(folder: Folder, manifest: bytes, key: "PublicKey") -> bool:
    from minisign import Signature  # noqa: PLC0415 - an extra, which made the key

    try:
        key.verify(manifest, Signature.from_bytes(read_file(folder, SIGNATURE, limit=_LARGEST)))
    except ValueError:  # minisign's own errors are some
        return False
    return True


def _has_signature(folder: Folder) -> bool:
    try:
        os.stat(SIGNATURE, dir_fd=folder.handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _read(path: Path, what: str) -> bytes:
    try:
        return read_plain(path, limit=_LARGEST)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"The {what} {shown(path)} can't be read: {why}. Check the path.") from None


def _from_environment(name: str) -> Path | None:
    path = os.environ.get(name, "")
    return Path(path) if path else None
