"""Measures the time from `python -c` to the first prediction, and of a million predictions, for two sizes of releases.

    python bench/load.py [--repeats 5] [--storage float32]

Each run is a new process, and its files are in the page cache. Prints medians in seconds as JSON. `small` has the size
of MovieLens 1M. `netflix` has the size of the Netflix Prize data, with the vectors of `accurate`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from recommend import write_release

from matinee.release import WEIGHTS, read_manifest, sha256
from matinee.release.weights import halve_weights
from matinee.store.documents import MANIFEST
from matinee.store.files import write_json

SIZES = {
    "small": {"users": 6_040, "movies": 3_706, "size": 32},
    "netflix": {"users": 480_189, "movies": 17_770, "size": 128},
}
_FIRST = "import sys, matinee; matinee.load(sys.argv[1]).predict([6], [1])"
_MILLION = """
import sys, time, numpy as np, matinee
release, draw = matinee.load(sys.argv[1]), np.random.default_rng(0)
pairs = draw.choice(release.users.ids, 1_000_000), draw.choice(release.movies.ids, 1_000_000)
started = time.perf_counter()
release.predict(*pairs)
print(time.perf_counter() - started)
"""


def main() -> None:
    """Make the releases, measure them, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--storage", choices=["float32", "float16"], default="float32")
    call = parser.parse_args()
    facts = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, shape in SIZES.items():
            folder = Path(scratch) / name
            write_release(folder, **shape)
            if call.storage == "float16":
                _halve(folder)
            facts[name] = measure(folder, repeats=call.repeats)
    print(json.dumps({**vars(call), **facts}, indent=2))


def measure(folder: Path, *, repeats: int) -> dict[str, float]:
    """Medians over processes, after a first process that fills the page cache."""
    first = [_seconds(_FIRST, folder) for _ in range(repeats + 1)][1:]
    million = [float(_run(_MILLION, folder)) for _ in range(repeats)]
    return {
        "megabytes": round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1),
        "seconds_to_first_prediction": round(statistics.median(first), 3),
        "seconds_per_million": round(statistics.median(million), 3),
    }


def _seconds(code: str, folder: Path) -> float:
    started = time.perf_counter()
    _run(code, folder)
    return time.perf_counter() - started


def _run(code: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, folder], check=True, capture_output=True, text=True
    ).stdout


def _halve(folder: Path) -> None:
    halve_weights(folder / WEIGHTS, folder / "half")
    (folder / "half").replace(folder / WEIGHTS)
    manifest = read_manifest(folder)
    files = {**manifest.files, WEIGHTS: sha256(folder / WEIGHTS)}
    write_json(folder / MANIFEST, manifest.model_copy(update={"files": files}))


if __name__ == "__main__":
    main()
