"""Measures a retraining as people run it: the time of the command and of its steps, and the memory.

    python bench/retrain.py [--out retrain.json] [--ratings 1000000] [--repeats 3] [--plot retrain.png]

Three ways are measured: the steps in a program, without Prefect (`library`), the command with a Prefect server that
runs already (`server`), and the command without one (`command`). Each run is a new process on a new store. Then the
same run is repeated on that store, where nothing is left to compute (`again`). Ways take turns, and the first round
only warms up. Prints a table of medians. The time to import torch and prefect is stated beside, because it says how
fast the machine is.
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
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matinee.ops.up import wait_until_healthy
from matinee.sample import write_sample

WAYS = ("library", "server", "command")
_IMPORTS = "import torch, prefect"
_WHOLE, _AROUND = "all of it", "around the steps"
_SHORT = 0.02  # of the run: shorter steps are drawn together


@dataclass(frozen=True)
class Run:
    """One process: seconds, memory of the largest process in megabytes, and seconds by step, if it prints them."""

    seconds: float
    peak_mb: float
    steps: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """The runs of one way: on new stores, and on stores where every step is finished."""

    first: Run
    again: Run


def main() -> None:
    """Measure, and print a table."""
    call = read_call()
    if call.alone:
        retrain_alone(*call.alone)
        return
    with tempfile.TemporaryDirectory() as scratch:
        data = call.sample or Path(scratch) / "sample"
        if not call.sample:
            write_sample(data, ratings=call.ratings)
        measured = measure_all(data, Path(scratch), ways=call.ways, repeats=call.repeats)
    imports = statistics.median(_seconds([sys.executable, "-c", _IMPORTS], os.environ) for _ in range(3))
    facts = {"ratings": call.ratings, "repeats": call.repeats, "seconds_of_imports": round(imports, 2)}
    facts["ways"] = {way: asdict(each) for way, each in measured.items()}
    call.out.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    print(to_table(measured))
    print(f"\nimport torch, prefect: {imports:.1f} s")
    if call.plot:
        draw(measured, call.plot, title=f"{call.ratings:,} ratings, seconds")


def measure_all(data: Path, scratch: Path, *, ways: Sequence[str], repeats: int) -> dict[str, Measured]:
    """The medians of each way over some rounds, after a round that warms up."""
    files = [str(data / "ratings.csv"), "--titles", str(data / "movie_titles.csv")]
    command = [sys.executable, "-m", "matinee.cli", "retrain", "--ratings", *files, "--json", "--store"]
    alone = [sys.executable, __file__, "--alone", str(data)]
    without = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    runs: dict[str, list[Measured]] = {way: [] for way in ways}
    with serving(scratch) if "server" in ways else contextlib.nullcontext("") as api:
        for number in range(repeats + 1):
            for way in ways:
                environment = {**without, "PREFECT_API_URL": api} if way == "server" else without
                whole = [*(alone if way == "library" else command), str(scratch / f"{way}-{number}")]
                runs[way].append(Measured(_run(whole, environment), _run(whole, environment)))
    return {
        way: Measured(
            _median([each.first for each in found[1:]]), _median([each.again for each in found[1:]])
        )
        for way, found in runs.items()
    }


def retrain_alone(data: Path, store: Path) -> None:
    """Run the steps of the flow in this process, without Prefect."""
    from matinee.pipeline import retrain

    retrain(data / "ratings.csv", data / "movie_titles.csv", store)


@contextlib.contextmanager
def serving(home: Path) -> Iterator[str]:
    """The address of an idle server: no worker, no deployments."""
    port = 4292
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


def to_table(measured: dict[str, Measured]) -> str:
    """The medians as a Markdown table."""
    lines = ["| | first, s | of it in steps, s | again, s | memory, MB |", "| --- | --- | --- | --- | --- |"]
    for way, each in measured.items():
        in_steps = f"{sum(each.first.steps.values()):.1f}" if each.first.steps else ""
        lines.append(
            f"| {way} | {each.first.seconds:.1f} | {in_steps} | {each.again.seconds:.1f} | {each.first.peak_mb:,.0f} |"
        )
    return "\n".join(lines)


def draw(measured: dict[str, Measured], path: Path, *, title: str) -> None:
    """A bar for each way, with its steps and what is around them."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.7 * len(measured)), layout="constrained")
    parts = {way: _parts(each.first) for way, each in measured.items()}
    starts = dict.fromkeys(parts, 0.0)
    for step in dict.fromkeys(name for each in parts.values() for name in each):
        lengths = [each.get(step, 0.0) for each in parts.values()]
        color = {_WHOLE: "#6b7680", _AROUND: "#c8ccd0"}.get(step)
        axes.barh(list(parts), lengths, left=list(starts.values()), label=step, color=color)
        starts = {way: start + length for (way, start), length in zip(starts.items(), lengths, strict=True)}
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=7, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _parts(run: Run) -> dict[str, float]:
    """The seconds of the longer steps, of the others together, and of what is around them."""
    if not run.steps:
        return {_WHOLE: run.seconds}
    long = {name: seconds for name, seconds in run.steps.items() if seconds >= _SHORT * run.seconds}
    others = sum(run.steps.values()) - sum(long.values())
    return {**long, "other steps": others, _AROUND: run.seconds - sum(run.steps.values())}


def _run(command: list[str], environment: dict[str, str]) -> Run:
    """Run a process; the last line that it prints may be JSON with the seconds of its steps."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, env=environment, stdout=out, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, errors):
            file.seek(0)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)}: exit status {child.returncode}\n{errors.read()[-2000:]}")
        lines = out.read().splitlines()
    found = json.loads(lines[-1])["seconds"] if lines else {}
    steps = {name: float(each) for name, each in found.items() if name != "compile"}  # is part of train
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return Run(seconds, usage.ru_maxrss / scale, steps)


def _seconds(command: list[str], environment: "os._Environ[str]") -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def _median(runs: Sequence[Run]) -> Run:
    steps = {
        step: round(statistics.median(each.steps.get(step, 0.0) for each in runs), 2)
        for step in runs[0].steps
    }
    return Run(
        round(statistics.median(each.seconds for each in runs), 2),
        round(statistics.median(each.peak_mb for each in runs)),
        steps,
    )


def read_call() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument(
        "--sample", type=Path, help="a folder that `matinee sample` wrote, of as many ratings"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--ways", type=lambda text: text.split(","), default=list(WAYS), metavar=",".join(WAYS)
    )
    parser.add_argument("--plot", type=Path, metavar="PNG")
    parser.add_argument("--out", type=Path, default=Path("retrain.json"), help="(default: retrain.json)")
    parser.add_argument("--alone", nargs=2, type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
