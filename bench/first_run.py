"""What the first run after an install costs: seconds of compiling by kernel, and of runs without and with a cache.

    python bench/first_run.py [--ratings N] [--out RESULTS.json]

Retrains on a generated sample in two fresh processes that share an empty cache of compiled kernels, as after
`pip install`; and in one whose cache `deploy/compile_loops.py` has filled, as after `make setup` and in the container.
Seconds of a kernel include the helpers that it calls.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numba.core.event as events

import matinee
from matinee.sample import write_sample

_SETUP = Path(__file__).parents[1] / "deploy/compile_loops.py"


def main() -> None:
    """Run three times and print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=100_000)
    parser.add_argument("--out", type=Path, help="results as JSON")
    parser.add_argument("--sample", type=Path, help=argparse.SUPPRESS)  # a child: run once on this sample
    call = parser.parse_args()
    if call.sample:
        print(json.dumps(run_once(call.sample)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        write_sample(Path(scratch) / "sample", ratings=call.ratings)
        first, second = (_in_child(Path(scratch), "empty") for _ in range(2))
        started = time.perf_counter()
        subprocess.run([sys.executable, _SETUP], env=_with_cache(Path(scratch), "filled"), check=True)
        setup = round(time.perf_counter() - started, 1)
        after = {"setup_seconds": setup, **_in_child(Path(scratch), "filled")}
    figures = {"ratings": call.ratings, "first": first, "second": second, "first_after_setup": after}
    print(json.dumps(figures, indent=2))
    if call.out:
        call.out.write_text(json.dumps(figures))


def run_once(sample: Path) -> dict[str, object]:
    """Retrain on a sample in a new store: seconds of the run, and of compiling by kernel."""
    timed = _Compiling()
    events.register("numba:compile", timed)  # type: ignore[no-untyped-call]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as store:
        matinee.retrain(sample / "ratings.csv", sample / "movie_titles.csv", Path(store) / "store")
    return {
        "run_seconds": round(time.perf_counter() - started, 1),
        "compile_seconds": round(sum(timed.seconds.values()), 1),
        "kernels": {name: round(seconds, 2) for name, seconds in timed.seconds.items()},
    }


def _with_cache(scratch: Path, cache: str) -> dict[str, str]:
    return os.environ | {"NUMBA_CACHE_DIR": str(scratch / cache)}


def _in_child(scratch: Path, cache: str) -> dict[str, object]:
    command = [sys.executable, __file__, "--sample", str(scratch / "sample")]
    done = subprocess.run(
        command, env=_with_cache(scratch, cache), capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


class _Compiling(events.Listener):
    """Adds up the seconds of kernels, not of the helpers that are compiled for them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._depth = 0
        self._started = 0.0

    def on_start(self, event: events.Event) -> None:
        if not self._depth:
            self._started = time.perf_counter()
        self._depth += 1

    def on_end(self, event: events.Event) -> None:
        self._depth -= 1
        if not self._depth:
            function = event.data["dispatcher"].py_func
            name = f"{function.__module__.removeprefix('matinee.')}.{function.__name__}"
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - self._started


if __name__ == "__main__":
    main()
