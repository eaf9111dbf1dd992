"""Prefect's worker, whose memory stays flat and which ends when it is told to.

`matinee worker` takes the options of `prefect worker start`. It reads the server's password by itself, and sets
what its runs need in their environment, which no deployment and no run may set (`matinee.ops.pool`).

Each run leaves objects that refer to one another, and Python looks at old ones only when they have become a quarter
more, which takes a worker days: after a hundred runs it held 16 % more than after thirty. So they are looked at once a
minute.

On SIGTERM a worker interrupts itself, and a shell starts what is in the background with interrupts ignored: it would
stay for ever. So it takes them back.
"""

import signal
import sys
from collections.abc import Sequence

from matinee.errors import MatineeError
from matinee.ops.connection import find_address, use
from matinee.ops.garbage import collect_apart
from matinee.ops.prefect_password import password_for


def main(arguments: Sequence[str]) -> int:
    """Start the worker and stay; returns the exit status where it does not start."""
    try:
        if url := find_address(quiet=False):
            use(url, password_for(url))
    except MatineeError as error:
        print(f"matinee worker: {error}", file=sys.stderr)
        return error.exit_status
    from prefect.cli import app  # noqa: PLC0415 - reads the environment

    collect_apart()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = ["prefect", "worker", "start", *arguments]
    app()
    return 0
