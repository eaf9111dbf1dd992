"""Compares `matinee plan` with runs: seconds of all and of each step, and the largest memory.

    python bench/plan.py [--out plan.json] [--ratings 1000000 10000000] [--known RUN.json ...] [--rates RATES.json]

For each size, a sample is generated, `matinee retrain` runs on it with default settings, and the plan of the same size
is divided by what the run took. `--known` has runs of earlier days: objects with ratings, users, movies, seconds (by
step, and `in all`) and peak. The machine is measured once, before the runs, unless `--rates` has the rates of an
earlier call (the key `rates` of its output). Prints a table of quotients: 1.2 means that the plan said a fifth too
much.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from matinee.pipeline.planning import RunForecast, forecast
from matinee.pipeline.planning.calibration import measure_rates
from matinee.pipeline.planning.rates import Rates, this_machine
from matinee.sample import write_sample
from matinee.sample.planted import default_movies, default_users
from matinee.settings import Settings

_WHOLE = "in all"
_STEPS = ("ingest", "split", "train", "rank", "evaluate", "publish", _WHOLE)
_LARGE = 0.05  # of a run: quotients of shorter steps are not among the worst


@dataclass(frozen=True)
class Run:
    """A run: its size, seconds by step and of the command, and the largest memory of the process in bytes."""

    ratings: int
    users: int
    movies: int
    seconds: dict[str, float]
    peak: int
    cpu: float = 0.0  # seconds of all cores, which other programs change less


@dataclass(frozen=True)
class Compared:
    """A run and its plan, with the plan's figures as multiples of the run's."""

    run: Run
    plan: dict[str, float]
    planned_peak: int
    quotients: dict[str, float]
    cpu_quotient: float | None
    peak_quotient: float
    worst: float


def main() -> None:
    """Measure, compare, and print a table."""
    call = read_call()
    machine, settings = this_machine(), Settings()
    if call.rates:
        rates = Rates.model_validate(json.loads(call.rates.read_text("utf-8"))["rates"])
    else:
        rates = measure_rates(settings, machine)
    known = [Run(**json.loads(path.read_text("utf-8"))) for path in call.known]
    compared = []
    for run in [*(measure(size) for size in call.ratings), *known]:
        size = {"ratings": run.ratings, "users": run.users, "movies": run.movies, "memory": machine.memory}
        plans = [forecast(rates, settings, cores=cores, **size) for cores in (machine.cores, 1)]
        compared.append(compare(run, *plans))
    facts = {"rates": rates.model_dump(), "compared": [asdict(each) for each in compared]}
    call.out.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    print(to_table(compared))


def measure(ratings: int) -> Run:
    """Run `matinee retrain` on a new sample and a new store."""
    users, movies = default_users(ratings), default_movies(ratings)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "sample"
        write_sample(data, ratings=ratings, users=users, movies=movies)
        command = [
            sys.executable,
            "-m",
            "matinee.cli",
            "retrain",
            "--json",
            "--ratings",
            str(data / "ratings.csv"),
        ]
        command += ["--titles", str(data / "movie_titles.csv"), "--store", f"{scratch}/store"]
        started = time.perf_counter()
        with tempfile.TemporaryFile("w+") as out:
            child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - started
            out.seek(0)
            summary = json.loads(out.read().splitlines()[-1])
        spent = {step: summary["seconds"][step] for step in _STEPS if step in summary["seconds"]}
        candidate = Path(scratch) / "store" / summary["folders"]["train"] / "manifest.json"
        spent["train"] = json.loads(candidate.read_text("utf-8"))["seconds"]  # of both fits
        spent[_WHOLE] = round(seconds, 2)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(ratings, users, movies, spent, peak, round(usage.ru_utime + usage.ru_stime, 1))


def compare(run: Run, planned: RunForecast, on_one_core: RunForecast) -> Compared:
    """The plan's figures as multiples of the run's; the worst among those of the run's large parts."""
    cpu = round(on_one_core.seconds / run.cpu, 2) if run.cpu else None
    plan = {step.step: step.seconds for step in planned.steps} | {_WHOLE: planned.seconds}
    quotients = {step: round(plan[step] / run.seconds[step], 2) for step in _STEPS if step in run.seconds}
    large = [quotients[step] for step in quotients if run.seconds[step] >= _LARGE * run.seconds[_WHOLE]]
    memory = round(planned.peak / run.peak, 2)
    worst = max(max(each, 1 / each) for each in [*large, memory])
    return Compared(run, plan, planned.peak, quotients, cpu, memory, round(worst, 2))


def to_table(compared: list[Compared]) -> str:
    """Quotients, with the run's seconds and memory in brackets, as a Markdown table."""
    lines = [
        f"| ratings | {' | '.join(_STEPS)} | CPU | memory |",
        f"| --- {'| --- ' * len(_STEPS)}| --- | --- |",
    ]
    for each in compared:
        cells = [f"{each.quotients[step]:.2f} ({each.run.seconds[step]:.1f} s)" for step in _STEPS]
        peak = f"{each.peak_quotient:.2f} ({each.run.peak / 1e9:.2f} GB)"
        cpu = "" if each.cpu_quotient is None else f"{each.cpu_quotient:.2f} ({each.run.cpu:.1f} s)"
        lines.append(f"| {each.run.ratings:,} | {' | '.join(cells)} | {cpu} | {peak} |")
    return "\n".join(lines)


def read_call() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, nargs="*", default=[1_000_000, 10_000_000], metavar="N")
    parser.add_argument("--known", type=Path, nargs="*", default=[], metavar="RUN.json")
    parser.add_argument("--rates", type=Path, metavar="RATES.json")
    parser.add_argument("--out", type=Path, default=Path("plan.json"), help="(default: plan.json)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
