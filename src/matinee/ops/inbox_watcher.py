"""Start the nightly deployments as soon as a file arrives in the drop folder.

The watcher checks the folder every few seconds, and starts at most one run for each new file. `make up` starts the
watcher. To run it as a systemd service, install the units that `matinee units` writes.
"""

import argparse
import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import UNAUTHORIZED
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import FlowFilter
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectException
from pydantic import BaseModel, ValidationError

from matinee.errors import ConfigError
from matinee.ingest.inbox.drop import Print, is_temporary, look
from matinee.ops.connection import use_configured
from matinee.ops.prefect_password import VARIABLE

log = logging.getLogger("matinee.inbox_watcher")

EVERY_SECONDS = 5.0
_NIGHTLY = FlowFilter.model_validate({"name": {"any_": ["nightly"]}})


class _Parameters(BaseModel):
    """The parameters of a nightly deployment that a check needs."""

    drop: str
    settle_seconds: float = 5.0


@dataclass
class InboxWatcher:
    """Remembers for which files a run was started. Paths of deployments are relative to `root`."""

    root: Path
    started: dict[UUID, set[tuple[Path, Print]]] = field(default_factory=dict)
    next_look: float = 0.0

    def look(self) -> None:
        """Start a run of each nightly deployment whose folder has new, complete files and no unfinished ones.

        Calls within a few seconds of the last check do nothing. If the server does not answer, the next check asks it
        again.
        """
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + EVERY_SECONDS
        try:
            with get_client(sync_client=True) as client:
                for deployment in client.read_deployments(flow_filter=_NIGHTLY):
                    if not deployment.paused:
                        self._look_into(client, deployment)
        except (httpx.HTTPError, PrefectException) as error:
            refused = isinstance(error, httpx.HTTPStatusError) and error.response.status_code == UNAUTHORIZED
            why = f"it refuses the password of {VARIABLE}" if refused else type(error).__name__
            log.warning("The Prefect server does not answer (%s); the next check asks again.", why)

    def _look_into(self, client: SyncPrefectClient, deployment: DeploymentResponse) -> None:
        try:
            parameters = _Parameters.model_validate(deployment.parameters)
            folder = self.root / parameters.drop
            dropped = look(folder, settle_seconds=parameters.settle_seconds, sleep=_not_now)
        except (ConfigError, _NotNow):
            return
        except (OSError, ValidationError) as error:  # a missing folder must not stop the server
            log.warning("The drop folder of %s could not be read: %r", deployment.id, error)
            return
        there, before = set(dropped.complete.items()), self.started.get(deployment.id, set())
        if there - before and all(map(is_temporary, dropped.unfinished)):
            client.create_flow_run_from_deployment(deployment.id, tags=["drop"])
            self.started[deployment.id] = there | before


def set_folders(*, drop: Path, store: Path) -> None:
    """Set the folders of the nightly deployment; its form shows them."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("nightly/drop")
        paths = {"drop": str(drop), "store": str(store)}
        client.update_deployment(
            deployment.id, DeploymentUpdate(parameters={**deployment.parameters, **paths})
        )


class _NotNow(Exception):  # noqa: N818 - not an error
    """A file has just changed; the next check looks at it again."""


def _not_now(seconds: float) -> None:
    raise _NotNow


def build_parser() -> argparse.ArgumentParser:
    """The options of this verb."""
    parser = argparse.ArgumentParser(prog="matinee inbox-watcher", description=__doc__)
    parser.add_argument(
        "--root",
        type=Path,
        default=Path.cwd(),
        help="base folder of the relative paths in deployments (default: the current folder)",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Check the folder until SIGTERM or Ctrl-C; returns the exit status."""
    call = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    use_configured()
    watcher = InboxWatcher(call.root)
    try:
        while True:
            watcher.look()
            time.sleep(EVERY_SECONDS)
    except KeyboardInterrupt:
        return 0
