"""The Prefect worker, with two changes: its memory stays constant, and SIGTERM ends it.

`matinee worker` takes the options of `prefect worker start`. It reads the password of the server from its file. It also
sets the environment of its runs, which neither a deployment nor a run may set (`matinee.ops.pool`).

- Each run leaves objects in reference cycles. Python collects old objects only after their number has grown by a
  quarter, which takes a worker days. After a hundred runs the worker held 16% more memory than after thirty. So all
  objects are collected once per minute.
- On SIGTERM, a worker sends SIGINT to itself. A shell starts background processes with SIGINT ignored, so the worker
  would run for ever. So the default handler is restored.
"""

import signal
import sys
from collections.abc import Sequence

from matinee.ops.connection import use_configured
from matinee.ops.garbage import collect_apart


def main(arguments: Sequence[str]) -> int:
    """Run the worker until it is stopped; returns the exit status."""
    use_configured()
    from prefect.cli import app  # noqa: PLC0415 - reads the environment

    collect_apart()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = ["prefect", "--no-prompt", "worker", "start", *arguments]
    app()
    return 0
