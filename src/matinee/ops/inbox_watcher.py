"""Watch the drop folder, and start a retraining as soon as a file arrives.

The watcher checks the folder every few seconds (a folder in an object store every half minute), and starts at most one
run for each new file. `matinee up` starts the watcher. To run it as a systemd service, install the units that `matinee
units` writes.
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

from matinee.errors import ConfigError, StoreError
from matinee.ingest.inbox.drop import Print, is_temporary, look
from matinee.ingest.inbox.remote_drop import RemoteDrop
from matinee.ops.connection import use_configured
from matinee.ops.prefect_password import VARIABLE
from matinee.store.remote.address import names_remote, parse_address

log = logging.getLogger("matinee.inbox_watcher")

EVERY_SECONDS = 5.0
LIST_SECONDS = 30.0  # between two lists of the objects of a drop folder
_NIGHTLY = FlowFilter.model_validate({"name": {"any_": ["nightly"]}})


_Arrived = tuple[Path, Print] | tuple[str, str]  # a file, or the name and the version of an object


class _Parameters(BaseModel):
    """The parameters of a nightly deployment that a check needs."""

    drop: str
    settle_seconds: float = 5.0


@dataclass
class InboxWatcher:
    """Remembers for which files a run was started. Paths of deployments are relative to `root`."""

    root: Path
    started: dict[UUID, set[_Arrived]] = field(default_factory=dict)
    next_look: float = 0.0
    next_list: dict[UUID, float] = field(default_factory=dict)  # of the objects of a drop folder
    reported: set[str] = field(default_factory=set)  # errors about the address of one

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
            if names_remote(parameters.drop):
                there = self._find_objects(deployment.id, parameters.drop)
            else:
                there = _find_files(self.root / parameters.drop, settle_seconds=parameters.settle_seconds)
        except _NotNow:
            return
        except ConfigError as error:
            if names_remote(deployment.parameters.get("drop", "")) and str(error) not in self.reported:
                self.reported.add(str(error))
                log.warning("%s", error)
            return
        except (OSError, StoreError, ValidationError) as error:  # a missing folder must not stop the server
            why = str(error) if isinstance(error, StoreError) else repr(error)
            log.warning("The drop folder of %s could not be read: %s", deployment.id, why)
            return
        before = self.started.get(deployment.id, set())
        if there - before:
            client.create_flow_run_from_deployment(deployment.id, tags=["drop"])
            self.started[deployment.id] = there | before

    def _find_objects(self, deployment: UUID, drop: str) -> set[_Arrived]:
        """The objects of a drop folder. Raises _NotNow if they were listed a short time ago: each list costs money."""
        if time.monotonic() < self.next_list.get(deployment, 0.0):
            raise _NotNow
        self.next_list[deployment] = time.monotonic() + LIST_SECONDS
        dropped = RemoteDrop(parse_address(drop)).dropped()
        return {(name, f"{found.e_tag} {found.modified}") for name, found in dropped.items()}


def _find_files(folder: Path, *, settle_seconds: float) -> set[_Arrived]:
    """The complete files of a drop folder. Raises _NotNow while another file is being written."""
    dropped = look(folder, settle_seconds=settle_seconds, sleep=_not_now)
    if not all(map(is_temporary, dropped.unfinished)):
        raise _NotNow
    return set(dropped.complete.items())


def set_folders(*, drop: str, store: str) -> None:
    """Set the folders of the nightly deployment; its form shows them."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("nightly/drop")
        paths = {"drop": drop, "store": store}
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
