"""Prefect's worker, whose memory stays flat and which ends when it is told to.

`python -m flows.worker` takes the options of `prefect worker start`. Each run leaves objects that refer to one another,
and Python looks at old ones only when they have become a quarter more, which takes a worker days: after a hundred runs
it held 16 % more than after thirty. So they are looked at once a minute.

On SIGTERM a worker interrupts itself, and a shell starts what is in the background with interrupts ignored: it would
stay for ever. So it takes them back.
"""

import signal
import sys

from prefect.cli import app

from flows.garbage import collect_apart


def main() -> None:
    """Start the worker and stay."""
    collect_apart()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = ["prefect", "worker", "start", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
