"""Measures the time that Prefect adds to a run: only the library, the flow with a running server, the flow without one.

Each run is a new process on a new store. Prints medians as JSON.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from matinee.ops.up import wait_until_healthy
from matinee.sample import write_sample


def alone(data: Path, store_at: Path) -> None:
    """Run the steps of the flow with the library, without Prefect."""
    from matinee.pipeline import retrain

    retrain(data / "ratings.csv", data / "movie_titles.csv", store_at)


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--port", type=int, default=4292)
    parser.add_argument("--alone", nargs=2, type=Path, help=argparse.SUPPRESS)
    call = parser.parse_args()
    if call.alone:
        alone(*call.alone)
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_sample(data, ratings=call.ratings)
        library = [sys.executable, __file__, "--alone", str(data)]
        flow = [sys.executable, "-m", "matinee.cli", "retrain", "--ratings", str(data / "ratings.csv")]
        flow += ["--titles", str(data / "movie_titles.csv"), "--store"]
        without = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}

        with serving(call.port, Path(folder)) as api:
            ways = {
                "library": (library, without),
                "flow_with_server": (flow, {**without, "PREFECT_API_URL": api}),
                "flow_without_server": (flow, without),
            }
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(
                call.repeats + 1
            ):  # interleaved; the first round warms up caches and the server
                for name, (command, environment) in ways.items():
                    taken[name].append(_time([*command, str(Path(folder) / f"{name}-{number}")], environment))
    seconds = {name: round(statistics.median(times[1:]), 2) for name, times in taken.items()}
    added = {
        name: round(seconds[name] - seconds["library"], 2)
        for name in ("flow_with_server", "flow_without_server")
    }
    print(
        json.dumps(
            {"ratings": call.ratings, "repeats": call.repeats, "seconds": seconds, "added": added}, indent=2
        )
    )


@contextlib.contextmanager
def serving(port: int, home: Path) -> Iterator[str]:
    """The address of an idle server: no worker, no deployments."""
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "matinee.cli", "server", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "PREFECT_HOME": str(home)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_until_healthy(api, server)
            yield api
        finally:
            server.terminate()


def _time(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
