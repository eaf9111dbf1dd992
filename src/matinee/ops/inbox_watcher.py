"""Starts the nightly deployments when a file has come, so that nobody waits for the night.

`make up` looks every few seconds; on a machine with systemd, `matinee inbox-watcher` is a service of its own. A look
costs a listing of the folder, and a run is started only for a file that none was started for before.
"""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import UNAUTHORIZED
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import FlowFilter
from prefect.exceptions import PrefectException

from matinee.errors import ConfigError, MatineeError
from matinee.inbox.drop import Print, is_temporary, look
from matinee.ops.connection import find_address, use
from matinee.ops.prefect_password import VARIABLE, password_for

log = logging.getLogger("matinee.inbox_watcher")

EVERY_SECONDS = 5.0
_NIGHTLY = FlowFilter.model_validate({"name": {"any_": ["nightly"]}})


@dataclass
class InboxWatcher:
    """Knows for which files a run was started; `root` is the folder that deployments' paths are relative to."""

    root: Path
    started: dict[Any, set[tuple[Path, Print]]] = field(default_factory=dict)
    next_look: float = 0.0

    def look(self) -> None:
        """Start a run of each nightly deployment in whose folder new files are complete and none is being written.

        Not more often than every few seconds. A server that doesn't answer is asked again the next time.
        """
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + EVERY_SECONDS
        try:
            with get_client(sync_client=True) as client:
                for deployment in client.read_deployments(flow_filter=_NIGHTLY):
                    if not deployment.paused:
                        self._look_into(client, deployment.id, deployment.parameters)
        except (httpx.HTTPError, PrefectException) as error:
            refused = isinstance(error, httpx.HTTPStatusError) and error.response.status_code == UNAUTHORIZED
            why = f"it asks for another password: {VARIABLE}" if refused else type(error).__name__
            log.warning("The Prefect server could not be asked (%s); the next look is soon.", why)

    def _look_into(self, client: SyncPrefectClient, deployment: Any, parameters: dict[str, Any]) -> None:
        settle = float(parameters.get("settle_seconds", 5))
        try:
            dropped = look(self.root / parameters["drop"], settle_seconds=settle, sleep=_not_now)
        except (ConfigError, _NotNow):
            return
        except (OSError, KeyError) as error:  # a folder that is away must not take the server down
            log.warning("The drop folder of %s could not be looked at: %r", deployment, error)
            return
        there, before = set(dropped.complete.items()), self.started.get(deployment, set())
        if there - before and all(map(is_temporary, dropped.unfinished)):
            client.create_flow_run_from_deployment(deployment, tags=["drop"])
            self.started[deployment] = there | before


def set_folders(*, drop: Path, store: Path) -> None:
    """Have the nightly deployment work on these folders, and say where they are in its form."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("nightly/drop")
        paths = {"drop": str(drop), "store": str(store)}
        client.update_deployment(
            deployment.id, DeploymentUpdate(parameters={**deployment.parameters, **paths})
        )


class _NotNow(Exception):  # noqa: N818 - no error
    """A file changed just now: whoever looks every few seconds need not wait for it."""


def _not_now(seconds: float) -> None:
    raise _NotNow


def build_parser() -> argparse.ArgumentParser:
    """The options of this verb."""
    parser = argparse.ArgumentParser(prog="matinee inbox-watcher", description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=Path.cwd(), help="what deployments' paths are relative to"
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Look until SIGTERM or Ctrl-C; returns the exit status."""
    call = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if url := find_address(quiet=False):
            use(url, password_for(url))
    except MatineeError as error:
        print(f"matinee inbox-watcher: {error}", file=sys.stderr)
        return error.exit_status
    watcher = InboxWatcher(call.root)
    try:
        while True:
            watcher.look()
            time.sleep(EVERY_SECONDS)
    except KeyboardInterrupt:
        return 0
