"""The soak test: many runs of a tiny retrain on one server, with the memory and the leftovers of server and worker.

`python tests/faults/soak.py --runs 100` prints a line every ten runs. It fails if memory grows by more than a tenth
after the first thirty runs, or if a process, a slot or a temporary folder is left. `--write FILE` writes the figures to
FILE.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from matinee.sample import write_sample

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]
from drill_worker import LONGEST, Site, open_site
from running import processes_of, wait_until
from written import write_between

BEGIN, END = "<!-- soak: written by `make soak` -->", "<!-- end of soak -->"
SETTLED = 30  # runs until caches and pools are full
GROWTH = 1.1
PARTS = ("server", "worker")
_WORKERS = "runner_storage"  # has one empty folder per worker, after any number of runs


def megabytes(site: Site, part: str) -> float:
    """Resident memory of a process and its children in its session."""
    session, total = site.running[part].pid, 0
    for process in processes_of(site.root):
        try:
            stat = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
            if int(stat[3]) == session:
                status = Path(f"/proc/{process}/status").read_text("ascii")
                total += int(status.partition("VmRSS:")[2].split()[0])
        except (OSError, IndexError):  # it has ended
            continue
    return total / 1024


def soak(site: Site, store: Path, *, runs: int) -> dict[str, list[float]]:
    """Memory in megabytes after each run, by process.

    Raises AssertionError if a run fails.
    """
    held: dict[str, list[float]] = {part: [] for part in PARTS}
    for number in range(1, runs + 1):
        settings: dict[str, Any] = {"train": {"epochs": 2, "device": "cpu", "seed": number}}
        run = replace(site, settings=settings).start_run(store)
        state = site.wait(run, seconds=LONGEST)
        assert state == "COMPLETED", f"run {number} ended as {state}: {site.told(run)}"
        for part in PARTS:
            held[part].append(megabytes(site, part))
        if number % 10 == 0:
            told = ", ".join(f"{part} {held[part][-1]:.0f} MB" for part in PARTS)
            print(f"after {number} runs: {told}", flush=True)
    return held


def left(site: Site, store: Path, temporary: Path) -> list[str]:
    """Leftovers: processes, slots, temporary folders, unfinished folders of the store."""
    ours = {process.pid for process in site.running.values()}
    orphans = []
    for process in processes_of(site.root):
        stat = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
        if int(stat[3]) not in ours:
            orphans.append(f"process {process}")
    limits = site.ask("v2/concurrency_limits/filter", {})
    slots = [f"slot of {limit['name']}" for limit in limits if limit["active_slots"]]
    folders = [path for path in temporary.iterdir() if path.is_dir() and path.name != _WORKERS]
    folders += list(temporary.glob(f"{_WORKERS}/*"))[1:]
    half = [*store.rglob("*.partial"), *(store / "running").iterdir(), *store.glob("work/*")]
    return [*orphans, *slots, *map(str, [*folders, *half])]


def report(held: dict[str, list[float]], *, seconds: float) -> str:
    """The table of figures; the settled memory is the median of ten runs."""
    runs = len(held["server"])
    lines = [
        f"{runs} runs of a tiny retrain in {seconds / 60:.0f} minutes, {date.today()}; left over: 0 processes, "
        "0 slots, 0 temporary folders. Resident memory, medians of ten runs:",
        "",
        f"| process | runs {SETTLED + 1} to {SETTLED + 10} | last ten runs | change |",
        "| --- | --- | --- | --- |",
    ]
    for part, (settled, last) in ends(held).items():
        lines.append(f"| {part} | {settled:.0f} MB | {last:.0f} MB | {(last / settled - 1) * 100:+.1f}% |")
    return "\n".join(lines)


def ends(held: dict[str, list[float]]) -> dict[str, tuple[float, float]]:
    """Settled memory, and memory at the end."""
    return {part: (median(held[part][SETTLED : SETTLED + 10]), median(held[part][-10:])) for part in PARTS}


def main() -> None:
    """Write sample data, start server and worker, run, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--port", type=int, default=4294)
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="put the figures between the markers in FILE"
    )
    call = parser.parse_args()
    if call.runs < SETTLED + 20:
        parser.error(f"--runs must be at least {SETTLED + 20}")
    with tempfile.TemporaryDirectory() as folder:
        data, temporary, store = (Path(folder) / name for name in ("data", "tmp", "store"))
        temporary.mkdir()
        write_sample(data, ratings=5_000, users=200, movies=50, seed=1)
        site = Site(data, Path(folder) / "site", call.port, more={"TMPDIR": str(temporary)})
        with open_site(site):
            started = time.monotonic()
            held = soak(site, store, runs=call.runs)
            told = report(held, seconds=time.monotonic() - started)
            print(told)
            wait_until(lambda: not left(site, store, temporary), 90)
    if call.write:
        write_between(call.write, told, begin=BEGIN, end=END)
    for part, (settled, last) in ends(held).items():
        assert last <= settled * GROWTH, f"{part} grew from {settled:.0f} to {last:.0f} MB"


if __name__ == "__main__":
    main()
