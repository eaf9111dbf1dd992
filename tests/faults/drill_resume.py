"""The resume drill: kill a run at random moments, repeat the command, and compare to the bit.

`python tests/faults/drill_resume.py --rounds 30` prints one line per round and fails on the first difference. An
undisturbed run gives the expected release, and the expected content of each folder of the store.
"""

import argparse
import contextlib
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matinee
from matinee.ops.environment import PREFECT_DEFAULTS
from matinee.ops.up import wait_until_healthy
from matinee.registry import Registry
from matinee.sample import write_sample

sys.path.insert(0, str(Path(__file__).parents[1]))
from calls import retrain_words
from running import environment_of, kill_group

# Three hundred epochs, or a hundred sweeps, with their checkpoints, and the second fit.
SETTINGS = ("train.epochs=300", "train.patience=0", "train.device=cpu", "train.refit=all")
GIBBS = (
    "train.method=gibbs",
    "train.sampler_rank=8",
    "train.sweeps=100",
    "train.burn_in=20",
    "train.refit=all",
)
METHODS = {"sgd": SETTINGS, "gibbs": GIBBS}
TRAINS = "candidates/*.partial"  # files of a store during training
EXACT = {".safetensors", ".parquet", ".npy", ".png"}  # JSON files also have seconds and dates


@dataclass(frozen=True)
class Drill:
    """Runs of one command on one data set, each with a new store."""

    data: Path
    stores: Path
    environment: dict[str, str]
    settings: tuple[str, ...] = SETTINGS

    def start(self, store: Path) -> "subprocess.Popen[bytes]":
        """The command, in a separate process group."""
        words = retrain_words(self.data, store, *self.settings)
        with store.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "matinee.cli", *words, "--json"],
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    def finish(self, store: Path) -> float:
        """Run to the end; returns the seconds from the first file of the store to the end of the process."""
        process = self.start(store)
        _wait_for("", store, process)
        began = time.monotonic()
        if process.wait():
            raise AssertionError(store.with_suffix(".log").read_text("utf-8")[-4000:])
        return time.monotonic() - began

    def kill(self, store: Path, *, after: float, sign: str = "") -> bool:
        """Start the run, and kill -9 it some seconds after a sign in its store; returns whether it was still alive."""
        process = self.start(store)
        _wait_for(sign, store, process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after)
        alive = process.poll() is None
        kill_group(process)
        return alive


def drill(
    data: Path, stores: Path, *, rounds: int, seed: int, environment: dict[str, str], method: str = "sgd"
) -> list[str]:
    """Kill `rounds` runs at random moments, every second one during training; returns the state of each.

    Raises AssertionError if anything differs from the undisturbed run.
    """
    runs = Drill(data, stores, environment, METHODS[method])
    whole = stores / "undisturbed"
    seconds = runs.finish(whole)
    expected = content(whole)
    draw = random.Random(seed)
    told = []
    for number in range(1, rounds + 1):
        store = stores / f"round-{number}"
        sign, length = (TRAINS, _fit_seconds(whole)) if number % 2 else ("", seconds)
        moment = draw.uniform(0, length)
        alive = runs.kill(store, after=moment, sign=sign)
        found = content(store)
        wrong = [name for name, digest in found.items() if expected.get(name) != digest]
        assert not wrong, f"round {number}: a folder that counts as whole differs: {wrong}"
        where = (
            f"{method} {number}: {'killed' if alive else 'was done'} {moment:.2f} s after "
            f"{'training' if sign else 'the run'} began, {_progress(store)}"
        )
        runs.finish(store)
        check_same(store, whole, after=where)
        told.append(where)
        print(where, flush=True)
        shutil.rmtree(store)
    return told


def check_same(store: Path, whole: Path, *, after: str) -> None:
    """Check that a store has the release and the folders of an undisturbed run, and nothing else."""
    assert release_of(store) == release_of(whole), f"{after}: another release"
    assert content(store) == content(whole), f"{after}: other folders"
    assert not [*store.rglob("*.partial"), *store.glob("work/*")], f"{after}: something was left"


def load_champion(store: Path) -> None:
    """The champion loads, verifies and predicts."""
    matinee.load(Registry(store).champion_folder()).predict([1], [1])


def content(store: Path) -> dict[str, str]:
    """The digest of each reproducible file, in all complete folders."""
    found = {}
    for manifest in sorted(store.glob("*/*/manifest.json")):
        if manifest.parent.suffix == "":
            for path in sorted(manifest.parent.rglob("*")):
                if path.suffix in EXACT or path.name in ("metrics.json", "decision.json"):
                    found[str(path.relative_to(store))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def release_of(store: Path) -> tuple[str, str, str, bytes]:
    """The values that must be equal at the end: champion, version, digest and weights of the release."""
    champion = json.loads((store / "champion.json").read_text("utf-8"))["version"]
    folder = store / "releases" / champion
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    versions = [path.name for path in sorted((store / "releases").iterdir())]
    assert versions == [champion], f"more than one release: {versions}"
    return champion, manifest["version"], manifest["digest"], (folder / "weights.safetensors").read_bytes()


def _wait_for(sign: str, store: Path, process: "subprocess.Popen[bytes]") -> None:
    """The first sign of a run: before the store exists, Python only imports."""
    while not list(store.parent.glob(f"{store.name}/{sign}")) and process.poll() is None:
        time.sleep(0.005)


def _fit_seconds(store: Path) -> float:
    """The seconds of the first fit."""
    found = [json.loads(path.read_text("utf-8")) for path in store.glob("candidates/*/manifest.json")]
    return float(next(each["seconds"] for each in found if "candidate" not in each))


def _progress(store: Path) -> str:
    steps = ("partitions", "datasets", "encodings", "splits", "candidates", "evaluations", "releases")
    done = [kind for kind in steps if list(store.glob(f"{kind}/*/manifest.json"))]
    under_way = [f"{path.parent.name} half" for path in store.glob("*/*.partial")]
    fits = [path.stem for path in store.glob("work/*/*.safetensors")]
    return f"with {', '.join(done) or 'nothing'}; {', '.join([*under_way, *fits]) or 'between two steps'}"


@contextlib.contextmanager
def server(port: int, home: Path) -> Iterator[dict[str, str]]:
    """The environment of runs that share a Prefect server. Otherwise, each run would start its own."""
    api = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    environment = environment_of(home, **PREFECT_DEFAULTS, **api)
    command = [sys.executable, "-m", "matinee.cli", "server", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as running:
        try:
            wait_until_healthy(environment["PREFECT_API_URL"], running)
            yield environment
        finally:
            running.terminate()
            running.wait(30)


@contextlib.contextmanager
def ground(port: int) -> Iterator[tuple[Path, Path, dict[str, str]]]:
    """A folder of sample data, an empty folder of stores, and the environment of runs that share a Prefect server."""
    with tempfile.TemporaryDirectory() as folder:
        data, stores, home = (Path(folder) / name for name in ("data", "stores", "home"))
        stores.mkdir()
        home.mkdir()
        write_sample(data, ratings=100_000, users=1_000, movies=300, seed=1)
        with server(port, home) as environment:
            yield data, stores, environment


def main() -> None:
    """Write sample data, start a server, drill, and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=4291)
    call = parser.parse_args()
    told = []
    with ground(call.port) as (data, stores, environment):
        for method in call.method:
            (stores / method).mkdir()
            told += drill(
                data, stores / method,
                rounds=call.rounds, seed=call.seed, environment=environment, method=method,
            )  # fmt: skip
    print(f"{len(told)} rounds: the same release and weights each time, to the bit")


if __name__ == "__main__":
    main()
