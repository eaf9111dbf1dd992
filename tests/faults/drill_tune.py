"""Kill a search for settings at random moments, and compare its trials with those of an unbroken one.

    python tests/faults/drill_tune.py --kills 3 --trials 30

Both run as `matinee tune`, each in a store of its own, with one worker. `kill -9` ends the whole process group.
"""

import argparse
import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from matinee.formats.tuning import TuningResult
from matinee.sample import write_sample
from matinee.store.documents import read_as

sys.path.insert(0, str(Path(__file__).parents[1]))
from calls import sources
from running import kill_group

_SETTINGS = ("--set", "train.threads=1", "--goal", "ratings")


def main() -> None:
    """Print what the two searches have in common; the exit status is 1 if they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    call = parser.parse_args()
    draw = random.Random(call.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sample(folder / "sample", ratings=20_000, users=300, movies=120, seed=1)
        started = time.monotonic()
        _run(folder, "whole", call.trials)
        seconds = time.monotonic() - started
        kills = 0
        while kills < call.kills:
            if not _killed(folder, "broken", call.trials, after=_draw_trials(draw, call.trials)):
                break
            kills += 1
        _run(folder, "broken", call.trials)
        whole, broken = (_trials(folder / store) for store in ("whole", "broken"))
    facts = {
        "kills": kills,
        "trials": [len(whole), len(broken)],
        "equal": whole == broken,
        "seconds_unbroken": round(seconds, 1),
    }
    print(json.dumps(facts))
    sys.exit(0 if facts["equal"] and kills == call.kills else 1)


def _command(folder: Path, store: str, trials: int) -> list[str]:
    return [
        *(sys.executable, "-m", "matinee.cli", "tune", *_SETTINGS, "--trials", str(trials)),
        *sources(folder / "sample"),
        *("--store", str(folder / store), "--out", str(folder / f"{store}.toml")),
    ]


def _run(folder: Path, store: str, trials: int) -> None:
    done = subprocess.run(_command(folder, store, trials), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"The search ended with status {done.returncode}:\n{done.stderr[-2000:]}")


def _draw_trials(draw: random.Random, trials: int) -> float:
    """After how many more trials to kill; a fraction is the share of a trial."""
    return draw.uniform(0, trials / 4)


def _killed(folder: Path, store: str, trials: int, *, after: float) -> bool:
    """Run until some more trials are finished, and kill; returns whether the process was still running."""
    before = _finished(folder / store)
    process = subprocess.Popen(
        _command(folder, store, trials),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and _finished(folder / store) < before + int(after):
        time.sleep(0.02)
    time.sleep(after % 1)
    if process.poll() is not None:
        return False
    kill_group(process)
    return True


def _finished(store: Path) -> int:
    """Number of finished trials, from the database of the search."""
    for database in store.glob("tunings/*/study.db"):
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as found,
        ):
            rows = found.execute("select count(*) from trials where state in ('COMPLETE', 'PRUNED', 'FAIL')")
            return int(rows.fetchone()[0])
    return 0


def _trials(store: Path) -> list[object]:
    (file,) = store.glob("tunings/*/result.json")
    (goal,) = read_as(file, TuningResult).goals
    return [(note.number, note.state, note.settings, note.value, note.error) for note in goal.trials]


if __name__ == "__main__":
    main()
