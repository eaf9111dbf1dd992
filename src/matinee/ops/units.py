"""Write systemd units for a machine that retrains every night. They run a Prefect server, a worker, the inbox watcher
and `matinee serve`. The inbox watcher starts a run when a file arrives.

The templates are in `matinee/ops/templates`. docs/operations.md explains how to install the units.
"""

import argparse
import getpass
import ipaddress
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.environment import POOL, PREFECT_DEFAULTS
from matinee.ops.folders import add_folders, check_folders, path, place_text
from matinee.ops.guard import is_any
from matinee.ops.prefect_password import VARIABLE, keep_password
from matinee.ops.registration import ROOT
from matinee.store.paths import check_place
from matinee.store.remote import names_remote

ENVIRONMENT_FILE: Final = "/etc/matinee/matinee.env"
CREDENTIALS_FILE: Final = "/etc/matinee/object-store.env"
PASSWORD_FILE: Final = "/etc/matinee/matinee.password"  # nosec B105 # a path, not a password
_PASSWORD: Final = "matinee.password"  # nosec B105 # a file name
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}|[0-9]{1,10}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")

# Lines of services that use an object store; the file has its credentials, unless a role gives them.
_CREDENTIALS: Final = f"EnvironmentFile=-{CREDENTIALS_FILE}\n"
_SERVE_CACHE: Final = "CacheDirectory=matinee-serve\nEnvironment=MATINEE_CACHE=%C/matinee-serve\n"

_TEMPLATES: Final = files("matinee.ops") / "templates"
_COMMON: Final = "service.conf"  # the lines that all services share
_WRITTEN: Final = (
    "matinee-server.service",
    "matinee-worker.service",
    "matinee-inbox-watcher.service",
    "matinee-serve.service",
    "matinee.env.example",
)


def units(
    *, user: str, drop: Path, store: Path, address: str = "127.0.0.1", port: int = 4200
) -> dict[str, str]:
    """The text of each file, by name.

    Args:
        user: User that the services run as.
        drop: Folder that rating files are put into.
        store: Store of the nightly runs.
        address: Address that the server listens on.
        port: Port that the server listens on.

    Raises:
        ConfigError: A value cannot be written into a unit.
    """
    if not _USER.fullmatch(user):
        raise ConfigError(f"--user {shown(user)!r} is not a user name; expected letters, digits, _, . and -.")
    if not 0 < port < 1 << 16:
        raise ConfigError(f"--port {port} is not a port; expected a number from 1 to 65535.")
    # /tmp is for the device lock. What is in an object store is cached in the service's own folder.
    writable = [*(place for place in (drop, store) if not names_remote(place)), "/tmp"]  # nosec B108
    host = _host(address)
    here = "127.0.0.1" if is_any(address) else host
    known = {
        "user": user,
        "folder": _whole_line(ROOT),
        "documentation": (ROOT / "docs" / "operations.md").as_uri().replace("%", "%%"),
        "python": _program(sys.executable),
        "root": _word(ROOT),
        "pool": POOL,
        "drop": _word(place_text(drop)),
        "store": _word(place_text(store)),
        "may_write": " ".join(_word(f"-{place}") for place in writable),
        "credentials": _CREDENTIALS if any(map(names_remote, (drop, store))) else "",
        "serve_store": f"{_CREDENTIALS}{_SERVE_CACHE}" if names_remote(store) else "",
        "address": address.strip("[]"),
        "port": str(port),
        "api": f"http://{here}:{port}/api",
        "environment_file": ENVIRONMENT_FILE,
        "credentials_file": CREDENTIALS_FILE,
        "password": _PASSWORD,
        "password_file": PASSWORD_FILE,
        "variable": VARIABLE,
        "defaults": "\n".join(f"Environment={name}={value}" for name, value in PREFECT_DEFAULTS.items()),
    }
    known["service"] = _fill(_COMMON, known)
    return {name: _fill(name, known) for name in _WRITTEN}


def _fill(name: str, known: Mapping[str, str]) -> str:
    """A template with its `$names` replaced; a name without a value raises KeyError."""
    return Template((_TEMPLATES / name).read_text("utf-8")).substitute(known)


def _word(text: str | Path) -> str:
    """A quoted word with backslashes, quotes and specifiers escaped (systemd.syntax(7))."""
    plain = _plain(text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{plain}"'


def _program(path: str) -> str:
    """The program of a command; the colon keeps systemd from replacing each $ of the command."""
    if set(path) & {'"', "'", "\\"}:
        raise ConfigError(
            f"systemd does not run a program with a quote or a backslash in its path, such as {shown(path)!r}. "
            "Install Matinee in another folder."
        )
    return _word(f":{path}")


def _whole_line(folder: Path) -> str:
    """A folder as the rest of a line. systemd keeps quotes there; the slash protects a blank at the end."""
    return f"{_plain(folder)}/".replace("%", "%%")


def _plain(text: str | Path) -> str:
    """A path as text of one line; raises ConfigError if that is impossible."""
    line = str(text)
    if any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in line):
        raise ConfigError(
            f"{shown(line)!r} can't be written into a unit: it has a control character or bytes that are not UTF-8. "
            "Use another path."
        )
    return line


def _host(address: str) -> str:
    """An address in the form that URLs use."""
    try:
        digits = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        if _HOST.fullmatch(address):
            return address
        raise ConfigError(
            f"--address {shown(address)!r} is not an address; expected an IP address or the name of this machine."
        ) from None
    return f"[{digits}]" if digits.version == 6 else str(digits)


def build_parser() -> argparse.ArgumentParser:
    """The options of this verb."""
    parser = argparse.ArgumentParser(prog="matinee units", description=__doc__)
    parser.add_argument("--out", type=path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument(
        "--user", default=getpass.getuser(), help="user that runs the services (default: you)"
    )
    add_folders(parser, project=ROOT)
    parser.add_argument(
        "--address",
        default="127.0.0.1",
        help="address that the Prefect server listens on (default: 127.0.0.1, only this machine)",
    )
    parser.add_argument("--port", type=int, default=4200, help="port of the Prefect server (default 4200)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write the units into a folder; returns the exit status."""
    call = build_parser().parse_args(arguments)
    check_folders(drop=call.drop, store=call.store)
    check_place(call.out)
    paths = {"drop": call.drop, "store": call.store}
    _write(call.out, units(user=call.user, address=call.address, port=call.port, **paths))
    return 0


def _write(out: Path, made: Mapping[str, str]) -> None:
    """Write the files, and a new password unless there is one. Raises ConfigError if a file can't be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (out / name).write_text(text, "utf-8")
            print(shown(out / name))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not the name of a folder"
        raise ConfigError(
            f"{shown(out)} can't be written: {why}. Choose another folder with --out."
        ) from None
    keep_password(out / _PASSWORD)
    print(shown(out / _PASSWORD))
