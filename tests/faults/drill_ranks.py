"""The drill of ranks: kill processes of fits at random moments, and compare to the bit.

`python tests/faults/drill_ranks.py --runs 10` kills a random rank three times in each run. Every run must end with the
release of a run in one process. Then it ends runs by each signal, and looks for processes that are left.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]
from drill_resume import Drill, check_same, ground
from rank_processes import family_of, is_alive, ranks_of
from running import kill_group

SETTINGS = ("train.epochs=60", "train.patience=0", "train.device=cpu", "train.refit=all")
KILLS = 3  # per run; the agent starts the ranks again as often
MOST_SECONDS = 6.0  # from the start of ranks to a kill
LEFT_SECONDS = 10.0


def kill_a_rank(process: int, draw: random.Random) -> bool:
    """Kill one of the ranks that a process runs now; returns whether there was one."""
    ranks = ranks_of(process)
    if not ranks:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(draw.choice(ranks), signal.SIGKILL)
        return True
    return False


def drill_kills(runs: Drill, stores: Path, *, number: int, seed: int) -> int:
    """Run some times, and kill a rank at random moments; returns the number of kills.

    Raises AssertionError if anything differs from a run in one process.
    """
    whole, draw, killed = stores / "one-process", random.Random(seed), 0
    runs.finish(whole)
    ranked = replace(runs, settings=(*runs.settings, "train.ranks=2"))
    for name in (f"run-{each}" for each in range(1, number + 1)):
        process, here = ranked.start(stores / name), 0
        while here < KILLS and _wait(lambda at=process: bool(ranks_of(at.pid)), process):  # type: ignore[misc]
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0, MOST_SECONDS))
            here += kill_a_rank(process.pid, draw)
        log = (stores / name).with_suffix(".log")
        assert process.wait() == 0, f"{name}, {here} kills: {log.read_text('utf-8')[-4000:]}"
        check_same(stores / name, whole, after=f"{name}, {here} kills")
        killed += here
        print(f"{name}: {here} ranks killed, the same release", flush=True)
        shutil.rmtree(stores / name)
    return killed


def drill_ends(runs: Drill, stores: Path) -> None:
    """End runs from outside while ranks work, and see that all their processes end."""
    ranked = replace(runs, settings=(*runs.settings, "train.ranks=2"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        process = ranked.start(stores / number.name)
        assert _wait(lambda at=process: len(ranks_of(at.pid)) == 2, process), "no ranks"  # type: ignore[misc]
        family = family_of(process.pid)
        process.send_signal(number)
        began = time.monotonic()
        while (
            left := [each for each in family if is_alive(each)]
        ) and time.monotonic() < began + LEFT_SECONDS:
            time.sleep(0.05)
        assert not left, f"{number.name}: {len(left)} of {len(family)} processes are left"
        print(f"{number.name}: no process {time.monotonic() - began:.1f} s later", flush=True)
        kill_group(process)
        shutil.rmtree(stores / number.name)


def _wait(found: Callable[[], bool], process: "subprocess.Popen[bytes]") -> bool:
    """Wait for something while a process runs; returns whether it came."""
    while process.poll() is None:
        if found():
            return True
        time.sleep(0.02)
    return False


def main() -> None:
    """Write sample data, start a server, drill, and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=4292)
    call = parser.parse_args()
    with ground(call.port) as (data, stores, environment):
        runs = Drill(data, stores, environment, SETTINGS)
        drill_ends(runs, stores)
        killed = drill_kills(runs, stores, number=call.runs, seed=call.seed)
    print(f"{killed} ranks killed in {call.runs} runs: the same release and weights each time, to the bit")


if __name__ == "__main__":
    main()
