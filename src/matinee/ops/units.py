"""systemd units for a machine that runs every night: a server on PostgreSQL, a worker, the doorbell.

`matinee units --out DIR` writes them with this machine's paths; docs/operations.md says how to install them.
"""

import argparse
import getpass
import ipaddress
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matinee.errors import ConfigError, MatineeError
from matinee.errors.text import shown
from matinee.ops.environment import POOL, PREFECT_DEFAULTS
from matinee.ops.folders import check_folders, path
from matinee.ops.guard import is_any
from matinee.ops.prefect_password import VARIABLE, keep_password
from matinee.ops.up import ROOT

ENVIRONMENT_FILE: Final = "/etc/matinee/matinee.env"
PASSWORD_FILE: Final = "/etc/matinee/matinee.password"  # nosec B105 # where it is, not what
_PASSWORD: Final = "matinee.password"  # nosec B105 # its name
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}|[0-9]{1,10}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")

_EXAMPLE: Final = f"""\
# Copy to {ENVIRONMENT_FILE}, owned by root, mode 0600: systemd reads it before it takes the service's user.
PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://matinee:PASSWORD@127.0.0.1:5432/prefect
# Whom to tell of trouble, if anybody; the address may hold a token.
#MATINEE_WEBHOOK=https://chat.example/hooks/TOKEN
# By which names a proxy is called that stands before the server, and where its pages then find the API.
#MATINEE_ALLOWED_HOSTS=matinee.example
#PREFECT_UI_API_URL=https://matinee.example/api
"""

# What a service may do: read the project, write its own state and the two folders. systemd hands it the server's
# password in a file that it alone can read (%d).
_SERVICE: Final = """\
User={user}
WorkingDirectory={folder}
EnvironmentFile={environment_file}
LoadCredential={password}:{password_file}
Environment={variable}=%d/{password}
Environment=HOME=/var/lib/matinee PREFECT_HOME=/var/lib/matinee/prefect PREFECT_API_URL={api}
Environment=PREFECT_UI_STATIC_DIRECTORY=/var/lib/matinee/ui
Environment=NUMBA_CACHE_DIR=/var/lib/matinee/numba MPLCONFIGDIR=/var/lib/matinee/matplotlib PYTHONUNBUFFERED=1
{defaults}
StateDirectory=matinee
StateDirectoryMode=0700
UMask=0027
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
LockPersonality=yes
"""

_SERVER: Final = """\
[Unit]
Description=Matinee: Prefect server
Documentation={documentation}
Wants=network-online.target
After=network-online.target postgresql.service

[Service]
Type=exec
# It asks for its password on any address, but in plain HTTP: beyond this machine, a proxy with TLS belongs before it.
ExecStart={python} -m matinee.cli server --host {address} --port {port}
{service}PrivateTmp=yes
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"""

_WORKER: Final = """\
[Unit]
Description=Matinee: worker of the pool {pool}
Documentation={documentation}
Wants=matinee-server.service
After=matinee-server.service

[Service]
Type=exec
ExecStartPre={python} -m matinee.cli up --deploy --drop {drop} --store {store}
ExecStart={python} -m matinee.cli worker --pool {pool} --type process
{service}ReadWritePaths={may_write}
# SIGTERM reaches the worker alone, which ends its runs; what outlives it is killed. The store takes both.
KillMode=mixed
TimeoutStartSec=300
TimeoutStopSec=60

[Install]
WantedBy=multi-user.target
"""

_INBOX_WATCHER: Final = """\
[Unit]
Description=Matinee: starts a run when a file has come
Documentation={documentation}
Wants=matinee-server.service
After=matinee-worker.service

[Service]
Type=exec
ExecStart={python} -m matinee.cli inbox-watcher --root {root}
{service}PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def units(
    *, user: str, drop: Path, store: Path, address: str = "127.0.0.1", port: int = 4200
) -> dict[str, str]:
    """The text of each file, by name.

    Raises ConfigError where something can't stand in a unit: a user, an address or a path that is none.
    """
    if not _USER.fullmatch(user):
        raise ConfigError(f"--user {shown(user)!r} is not a user name; expected letters, digits, _, . and -.")
    if not 0 < port < 1 << 16:
        raise ConfigError(f"--port {port} is not a port; expected a number from 1 to 65535.")
    host = _host(address)
    here = "127.0.0.1" if is_any(address) else host
    known: Mapping[str, object] = {
        "user": user,
        "folder": _whole_line(ROOT),
        "documentation": (ROOT / "docs" / "operations.md").as_uri().replace("%", "%%"),
        "python": _program(sys.executable),
        "root": _word(ROOT),
        "pool": POOL,
        "drop": _word(drop),
        "store": _word(store),
        "may_write": " ".join(_word(f"-{path}") for path in (drop, store, "/tmp")),  # nosec B108 # for the lock
        "address": address.strip("[]"),
        "port": port,
        "api": f"http://{here}:{port}/api",
        "environment_file": ENVIRONMENT_FILE,
        "password": _PASSWORD,
        "password_file": PASSWORD_FILE,
        "variable": VARIABLE,
        "defaults": "\n".join(f"Environment={name}={value}" for name, value in PREFECT_DEFAULTS.items()),
    }
    service = _SERVICE.format(**known)
    templates = {"server": _SERVER, "worker": _WORKER, "doorbell": _INBOX_WATCHER}
    written = {
        f"matinee-{name}.service": template.format(**known, service=service)
        for name, template in templates.items()
    }
    return {**written, "matinee.env.example": _EXAMPLE}


def _word(text: str | Path) -> str:
    """A word as systemd reads it: in quotes, backslashes and quotes escaped, no specifier in it (systemd.syntax(7))."""
    plain = _plain(text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{plain}"'


def _program(path: str) -> str:
    """A program in a command; the colon has systemd leave every $ of the command as it is."""
    if set(path) & {'"', "'", "\\"}:
        raise ConfigError(
            f"systemd runs no program with a quote or a backslash in its path, as {shown(path)!r} has."
        )
    return _word(f":{path}")


def _whole_line(folder: Path) -> str:
    """A folder as the rest of a line: systemd takes quotes as they are there; a slash ends what a blank may end."""
    return f"{_plain(folder)}/".replace("%", "%%")


def _plain(text: str | Path) -> str:
    """A path that can stand in a line of text."""
    line = str(text)
    if any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in line):
        raise ConfigError(
            f"{shown(line)!r} can't stand in a unit: it holds a control character or bytes that are not UTF-8. "
            "Name another path."
        )
    return line


def _host(address: str) -> str:
    """An address as it stands in a URL."""
    try:
        digits = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        if _HOST.fullmatch(address):
            return address
        raise ConfigError(
            f"--address {shown(address)!r} is none; expected an IP address or the name of this machine."
        ) from None
    return f"[{digits}]" if digits.version == 6 else str(digits)


def build_parser() -> argparse.ArgumentParser:
    """The options of this verb."""
    parser = argparse.ArgumentParser(prog="matinee units", description=__doc__)
    parser.add_argument("--out", type=path, required=True, metavar="DIR")
    parser.add_argument("--user", default=getpass.getuser(), help="whom the services run as (you)")
    parser.add_argument("--drop", type=path, default=ROOT / "drop", help="where ratings are put into")
    parser.add_argument("--store", type=path, default=ROOT / "store")
    parser.add_argument(
        "--address", default="127.0.0.1", help="where the server listens (this machine alone)"
    )
    parser.add_argument("--port", type=int, default=4200)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write them into a folder; returns the exit status."""
    call = build_parser().parse_args(arguments)
    try:
        paths = {"drop": call.drop.absolute(), "store": call.store.absolute()}
        check_folders(**paths)
        made = units(user=call.user, address=call.address, port=call.port, **paths)
        _write(call.out, made)
    except MatineeError as error:
        print(f"matinee units: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _write(out: Path, made: Mapping[str, str]) -> None:
    """Write the files, and a password beside them unless there is one; raises ConfigError where that can't be done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (out / name).write_text(text, "utf-8")
            print(shown(out / name))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a folder"
        raise ConfigError(f"{shown(out)} can't be written: {why}. Name another folder with --out.") from None
    keep_password(out / _PASSWORD)
    print(shown(out / _PASSWORD))
