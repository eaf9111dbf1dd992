"""Verbs that run until they are stopped, or write service files. Their options are defined in `matinee.ops`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from matinee.errors import MatineeError

# The module and the help line of each. The modules set up signals and Prefect, so nothing else is imported before.
OPERATIONS: Final = {
    "up": (
        "matinee.ops.up",
        "Register the deployments, and run a Prefect server, a worker and the inbox watcher until Ctrl-C.",
    ),
    "server": ("matinee.ops.server", "Run the Prefect server; takes the options of `prefect server start`."),
    "worker": ("matinee.ops.worker", "Run a Prefect worker; takes the options of `prefect worker start`."),
    "inbox-watcher": (
        "matinee.ops.inbox_watcher",
        "Watch the drop folder, and start a retraining as soon as a file arrives.",
    ),
    "units": ("matinee.ops.units", "Write systemd units for a machine that retrains every night."),
}
_OF_PREFECT: Final = ("server", "worker")  # they print the help of Prefect's command


def operate(name: str, arguments: Sequence[str]) -> int:
    """Run one of OPERATIONS with its own options; returns the exit status."""
    if name in _OF_PREFECT and {"-h", "--help"}.intersection(arguments):
        print(
            f"Usage: matinee {name} [OPTIONS]. The options are those of `prefect {name} start`:\n", flush=True
        )
    try:
        return int(import_module(OPERATIONS[name][0]).main(arguments))
    except MatineeError as error:
        print(f"matinee {name}: {error}", file=sys.stderr)
        return error.exit_status
