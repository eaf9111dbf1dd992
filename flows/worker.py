"""Prefect's worker, whose memory stays flat.

`python -m flows.worker` takes the options of `prefect worker start`. Each run leaves objects that refer to one another,
and Python looks at old ones only when they have become a quarter more, which takes a worker days: after a hundred runs
it held 16 % more than after thirty. So they are looked at once a minute.
"""

import sys

from prefect.cli import app

from flows.garbage import collect_apart


def main() -> None:
    """Start the worker and stay."""
    collect_apart()
    sys.argv[:] = ["prefect", "worker", "start", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
