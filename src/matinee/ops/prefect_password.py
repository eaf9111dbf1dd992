"""The password of the Prefect server of `make up` and of the systemd units: a file that its owner alone can read.

It is Prefect's own: NAME:PASSWORD, sent with each call. Whoever has it can have this machine run any command.
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
_FORM: Final = re.compile(r"[!-9;-~]{1,100}:[!-~]{8,400}")  # printable, as Prefect's pages take it
_SOCKETS: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LONGEST: Final = 1_000  # bytes of the file
_LISTENS: Final = "0A"
# 127.0.0.1, any address, ::1, any address, and 127.0.0.1 as IPv6 has it, in the kernel's hexadecimal.
_HERE: Final = {"0100007F", "0" * 8, "0" * 24 + "01000000", "0" * 32, "0" * 16 + "FFFF0000" + "0100007F"}


def password_file() -> Path:
    """Where the password lies: what MATINEE_AUTH_FILE says, or a file in Prefect's home."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else home() / _NAME


def draw_password() -> str:
    """A new one."""
    return f"matinee:{secrets.token_urlsafe(24)}"


def read_password(path: Path) -> str:
    """The password in a file.

    Raises ConfigError where there is none to be read; the message holds nothing of what is there.
    """
    try:
        text = read_plain(path, limit=_LONGEST).decode("ascii", errors="replace").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise ConfigError(
            f"The password of the Prefect server can't be read from {shown(path)}: {why}. Correct {VARIABLE}, or make "
            "the file readable for you."
        ) from None
    if not _FORM.fullmatch(text):
        raise ConfigError(
            f"{shown(path)} holds no password of a Prefect server; expected one line NAME:PASSWORD, the password of "
            "eight characters or more. Remove the file where `make up` made it: the next start makes another."
        )
    return text


def keep_password(path: Path) -> str:
    """The password in a file, which is made, mode 0600, unless it is there.

    Raises ConfigError where it can't be written or read.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.path.lexists(path):
            _write_new(path, f"{draw_password()}\n")
        elif path.stat().st_uid == os.geteuid():
            path.chmod(0o600)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise ConfigError(
            f"The password of the Prefect server can't be kept in {shown(path)}: {why}. Name another file "
            f"in {VARIABLE}."
        ) from None
    return read_password(path)


def _write_new(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all; one that somebody else has made meanwhile stays."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as target:
            target.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def password_for(url: str) -> str | None:
    """The password for the server at an address, if there is one: Prefect's own setting, or what the file holds.

    The file in Prefect's home is for a server of this user on this machine, and is read for no other.
    Raises ConfigError where a file that was named can't be read.
    """
    if given := setting("PREFECT_API_AUTH_STRING"):
        return given
    path = password_file()
    if os.environ.get(VARIABLE) or (path.exists() and is_here(url) and _is_ours(url)):
        return read_password(path)
    return None


def authorization_for(url: str) -> str | None:
    """The header by which the server at an address is asked."""
    if password := password_for(url):
        return f"Basic {base64.b64encode(password.encode()).decode()}"
    key = setting("PREFECT_API_KEY")
    return f"Bearer {key}" if key else None


def _is_ours(url: str) -> bool:
    """Whether it is this user who listens at an address of this machine; where the kernel doesn't say it, yes."""
    return owners_of(urlsplit(url).port or 80) <= {os.geteuid()}


def owners_of(port: int) -> set[int]:
    """The user ids of those who listen on a port of this machine (Linux; elsewhere nobody is known)."""
    found = set()
    for table in _SOCKETS:
        with contextlib.suppress(OSError):
            for line in table.read_text("ascii").splitlines()[1:]:
                words = line.split()
                address, _, number = words[1].rpartition(":")
                if words[3] == _LISTENS and address in _HERE and int(number, 16) == port:
                    found.add(int(words[7]))
    return found
