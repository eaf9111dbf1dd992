"""Registers with a Prefect server what the project needs: work pool, deployments of prefect.yaml and alerts."""

import contextlib
import io
import os
import signal
import sys
from pathlib import Path

from matinee.errors import ConfigError
from matinee.ops.environment import WEBHOOK

ROOT = Path(__file__).resolve().parents[3]


def import_prefect() -> None:
    """Import what `register` needs, which takes seconds."""
    import prefect.cli.deploy  # noqa: PLC0415 - reads the environment
    import prefect.main  # noqa: F401, PLC0415 - sets up logging, which must not write to the output of `_call_prefect`

    from matinee.ops import alerts, inbox_watcher, pool  # noqa: F401, PLC0415


def register() -> None:
    """Create the work pool, the deployments and the alerts, or update them.

    Notifications are sent if the environment names a webhook. Raises ConfigError if the server refuses a deployment.
    """
    import_prefect()
    from prefect.client.orchestration import get_client  # noqa: PLC0415

    from matinee.ops import alerts  # noqa: PLC0415
    from matinee.ops.pool import settle_pool  # noqa: PLC0415

    with get_client(sync_client=True) as client:
        settle_pool(client)
    _call_prefect("deploy", "--all")
    alerts.apply(webhook=os.environ.get(WEBHOOK))


def _call_prefect(*arguments: str) -> None:
    """Run a command of Prefect in this process. Raises ConfigError with its output if it fails."""
    from prefect.cli import app  # noqa: PLC0415

    output, before, status = io.StringIO(), sys.argv, None
    sys.argv = ["prefect", "--no-prompt", *arguments]  # `app` has no arguments
    try:
        with contextlib.chdir(ROOT), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            app()
    except SystemExit as end:
        status = end.code
    finally:
        sys.argv = before
    if (
        signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    ):  # `matinee up` is to end; Prefect caught its exception
        raise KeyboardInterrupt
    if status:
        raise ConfigError(f"`prefect {' '.join(arguments)}` failed: {output.getvalue()}")
