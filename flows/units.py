"""systemd units for a machine that runs every night: a server on PostgreSQL, a worker, the doorbell.

`python -m flows.units --out DIR` writes them with this machine's paths; docs/operations.md says how to install them.
"""

import argparse
import getpass
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flows.environment import PREFECT_DEFAULTS
from flows.up import POOL, ROOT

ENVIRONMENT_FILE: Final = "/etc/matinee/matinee.env"

_EXAMPLE: Final = f"""\
# Copy to {ENVIRONMENT_FILE}, owned by root, mode 0600: systemd reads it before it takes the service's user.
PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://matinee:PASSWORD@127.0.0.1:5432/prefect
# Whom to tell of trouble, if anybody; the address may hold a token.
#MATINEE_WEBHOOK=https://chat.example/hooks/TOKEN
"""

# What a service may do: read the project, write its own state and the two folders.
_SERVICE: Final = """\
User={user}
WorkingDirectory={root}
EnvironmentFile={environment_file}
Environment=HOME=/var/lib/matinee PREFECT_HOME=/var/lib/matinee/prefect PREFECT_API_URL=http://{address}:{port}/api
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
Documentation=file://{root}/docs/operations.md
Wants=network-online.target
After=network-online.target postgresql.service

[Service]
Type=exec
# It asks nobody for a password, so only this machine may ask it; another address is yours to choose and to guard.
ExecStart={python} -m flows.server --host {address} --port {port}
{service}PrivateTmp=yes
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"""

_WORKER: Final = """\
[Unit]
Description=Matinee: worker of the pool {pool}
Documentation=file://{root}/docs/operations.md
Wants=matinee-server.service
After=matinee-server.service

[Service]
Type=exec
ExecStartPre={python} -m flows.up --deploy --drop {drop} --store {store}
ExecStart={python} -m flows.worker --pool {pool} --type process
{service}ReadWritePaths=-{drop} -{store} -/tmp
# SIGTERM reaches the worker alone, which ends its runs; what outlives it is killed. The store takes both.
KillMode=mixed
TimeoutStartSec=300
TimeoutStopSec=60

[Install]
WantedBy=multi-user.target
"""

_DOORBELL: Final = """\
[Unit]
Description=Matinee: starts a run when a file has come into {drop}
Documentation=file://{root}/docs/operations.md
Wants=matinee-server.service
After=matinee-worker.service

[Service]
Type=exec
ExecStart={python} -m flows.doorbell --root {root}
{service}PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def units(
    *, user: str, drop: Path, store: Path, address: str = "127.0.0.1", port: int = 4200
) -> dict[str, str]:
    """The text of each file, by name."""
    known: Mapping[str, object] = {
        "user": user,
        "root": ROOT,
        "python": sys.executable,
        "pool": POOL,
        "drop": drop,
        "store": store,
        "address": address,
        "port": port,
        "environment_file": ENVIRONMENT_FILE,
        "defaults": "\n".join(f"Environment={name}={value}" for name, value in PREFECT_DEFAULTS.items()),
    }
    service = _SERVICE.format(**known)
    templates = {"server": _SERVER, "worker": _WORKER, "doorbell": _DOORBELL}
    written = {
        f"matinee-{name}.service": template.format(**known, service=service)
        for name, template in templates.items()
    }
    return {**written, "matinee.env.example": _EXAMPLE}


def main() -> None:
    """Write them into a folder."""
    parser = argparse.ArgumentParser(prog="python -m flows.units", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--user", default=getpass.getuser(), help="whom the services run as (you)")
    parser.add_argument("--drop", type=Path, default=ROOT / "drop", help="where ratings are put into")
    parser.add_argument("--store", type=Path, default=ROOT / "store")
    parser.add_argument(
        "--address", default="127.0.0.1", help="where the server listens (this machine alone)"
    )
    parser.add_argument("--port", type=int, default=4200)
    call = parser.parse_args()
    call.out.mkdir(parents=True, exist_ok=True)
    made = units(
        user=call.user,
        drop=call.drop.absolute(),
        store=call.store.absolute(),
        address=call.address,
        port=call.port,
    )
    for name, text in made.items():
        (call.out / name).write_text(text, "utf-8")
        print(call.out / name)


if __name__ == "__main__":
    main()
