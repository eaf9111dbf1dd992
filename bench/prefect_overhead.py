"""What Prefect adds to a run: the library alone, the flow with a server running, and the flow without one.

Each run is a process of its own on a fresh store; the medians go to stdout as JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from flows.up import running
from matinee.sample import write_sample


def alone(data: Path, store_at: Path) -> None:
    """The steps of the flow by the library, without Prefect."""
    from matinee import encode, evaluate, ingest, publish, split, train
    from matinee.settings import Settings
    from matinee.store import Store

    store, settings = Store.open(store_at), Settings()
    sources = {"ratings": [data / "ratings.csv"], "titles": data / "movie_titles.csv"}
    dataset = store.ensure(ingest.plan(store, **sources, settings=settings.ingest))
    encoding = store.ensure(encode.plan(store, dataset))
    parts = store.ensure(split.plan(store, dataset, encoding, settings=settings.split, inherited=None))
    candidate = store.ensure(train.plan(store, parts, settings=settings))
    evaluation = store.ensure(
        evaluate.plan(store, candidate=candidate, split=parts, champion=None, settings=settings)
    )
    publish.publish(
        store,
        dataset=dataset,
        split=parts,
        candidate=candidate,
        shipped=candidate,
        evaluation=evaluation,
        settings=settings,
    )


def main() -> None:
    """Measure, and print the JSON."""
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
        flow = [sys.executable, "-m", "flows.cli", "retrain", "--ratings", str(data / "ratings.csv")]
        flow += ["--titles", str(data / "movie_titles.csv"), "--store"]
        without = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}

        def median(command: list[str], environment: dict[str, str]) -> float:
            """Median of the seconds of some runs, after one that warms caches up."""
            return _median(
                lambda number: [*command, str(Path(folder) / f"{number}-{time.monotonic_ns()}")],
                environment,
                call.repeats,
            )

        seconds = {"library": median(library, without), "flow_without_server": median(flow, without)}
        with running(call.port) as (url, _):
            seconds["flow_with_server"] = median(flow, {**without, "PREFECT_API_URL": f"{url}/api"})
    added = {
        name: round(seconds[name] - seconds["library"], 2)
        for name in ("flow_with_server", "flow_without_server")
    }
    print(
        json.dumps(
            {"ratings": call.ratings, "repeats": call.repeats, "seconds": seconds, "added": added}, indent=2
        )
    )


def _median(command: Callable[[int], list[str]], environment: dict[str, str], repeats: int) -> float:
    taken = []
    for number in range(repeats + 1):
        started = time.perf_counter()
        subprocess.run(command(number), env=environment, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return round(statistics.median(taken[1:]), 2)


if __name__ == "__main__":
    main()
