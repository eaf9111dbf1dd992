"""The password of the Prefect server of `make up` and of the systemd units, in a file that only its owner can read.

It has Prefect's form, NAME:PASSWORD, and is sent with each call. Its holder can run any command on this machine.
"""

import base64
import contextlib
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.prefect_server import home, is_here, setting
from matinee.store.files import read_plain

VARIABLE: Final = "MATINEE_AUTH_FILE"
_NAME: Final = "matinee.password"
_FORM: Final = re.compile(r"[!-9;-~]{1,100}:[!-~]{8,400}")  # printable, as Prefect's pages accept it
_SOCKETS: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LONGEST: Final = 1_000  # maximum bytes of the file
_LISTENS: Final = "0A"
# 127.0.0.1, all addresses, ::1, all addresses, and 127.0.0.1 in IPv6, in the hexadecimal form of the kernel.
_HERE: Final = {"0100007F", "0" * 8, "0" * 24 + "01000000", "0" * 32, "0" * 16 + "FFFF0000" + "0100007F"}


def password_file() -> Path:
    """The file of the password: that of MATINEE_AUTH_FILE, or a file in Prefect's home."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else home() / _NAME


def draw_password() -> str:
    """A new random password."""
    return f"matinee:{secrets.token_urlsafe(24)}"


def read_password(path: Path) -> str:
    """Read the password from a file.

    Raises ConfigError if the file has no password. The message does not quote the file.
    """
    try:
        text = read_plain(path, limit=_LONGEST).decode("ascii", errors="replace").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not the name of a file"
        raise ConfigError(
            f"The password of the Prefect server can't be read from {shown(path)}: {why}. Correct {VARIABLE}, or the "
            "permissions of the file."
        ) from None
    if not _FORM.fullmatch(text):
        raise ConfigError(
            f"{shown(path)} has no password of a Prefect server; expected one line NAME:PASSWORD with at least eight "
            "characters after the colon. If `make up` wrote the file, remove it; the next start writes a new one."
        )
    return text


def keep_password(path: Path) -> str:
    """Read the password from a file. A missing file is created with a new password and mode 0600.

    Raises ConfigError if the file can't be written or read.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.path.lexists(path):
            _write_new(path, f"{draw_password()}\n")
        elif path.stat().st_uid == os.geteuid():
            path.chmod(0o600)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not the name of a file"
        raise ConfigError(
            f"The password of the Prefect server can't be written to {shown(path)}: {why}. Set {VARIABLE} to another "
            "file."
        ) from None
    return read_password(path)


def _write_new(path: Path, text: str) -> None:
    """Write a new file, whole or not at all. A file that another process has written meanwhile stays."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as target:
            target.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def password_for(url: str) -> str | None:
    """The password for the server at an address: Prefect's own setting, or that of the file; None without one.

    The file in Prefect's home is only for a server that this user runs on this machine.
    Raises ConfigError if the file of MATINEE_AUTH_FILE can't be read.
    """
    if given := setting("PREFECT_API_AUTH_STRING"):
        return given
    path = password_file()
    if os.environ.get(VARIABLE) or (path.exists() and is_here(url) and _is_ours(url)):
        return read_password(path)
    return None


def authorization_for(url: str) -> str | None:
    """The Authorization header for the server at an address; None without a password or key."""
    if password := password_for(url):
        return f"Basic {base64.b64encode(password.encode()).decode()}"
    key = setting("PREFECT_API_KEY")
    return f"Bearer {key}" if key else None


def _is_ours(url: str) -> bool:
    """Whether this user listens at an address of this machine. True if the system does not know it."""
    return owners_of(urlsplit(url).port or 80) <= {os.geteuid()}


def owners_of(port: int) -> set[int]:
    """The ids of the users that listen on a port of this machine; empty outside Linux, where they are unknown."""
    found = set()
    for table in _SOCKETS:
        with contextlib.suppress(OSError):
            for line in table.read_text("ascii").splitlines()[1:]:
                words = line.split()
                address, _, number = words[1].rpartition(":")
                if words[3] == _LISTENS and address in _HERE and int(number, 16) == port:
                    found.add(int(words[7]))
    return found
