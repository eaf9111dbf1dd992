"""The fault drills: cause the faults of a year, then let the next run continue, and compare to the bit.

`python tests/faults/drill_faults.py` runs all of them on a separate Prefect server and prints a table. With
`--write FILE`, the table is written between the markers in FILE. After each fault, no release is unfinished, the
champion loads, and the next run ends with the release and the folders of an undisturbed run.
"""

import argparse
import contextlib
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matinee.sample import write_sample

sys.path.insert(0, str(Path(__file__).parent))
import drill_worker
from drill_resume import Drill, check_same, load_champion, server
from running import kill_group
from written import write_row

# Some seconds of training, so a fault can occur in it.
SETTINGS = ("train.epochs=1500", "train.patience=0", "train.device=cpu", "train.refit=all")
# A run takes half a minute, and many times that on a busy machine.
LONGEST = 900


class ImpossibleError(Exception):
    """This machine cannot cause the fault; the message has the reason."""


@dataclass(frozen=True)
class Stage:
    """Runs of one command, and the store of an undisturbed run."""

    runs: Drill
    whole: Path

    @classmethod
    def build(
        cls, data: Path, stores: Path, environment: dict[str, str], *, settings: tuple[str, ...] = SETTINGS
    ) -> "Stage":
        stage = cls(Drill(data, stores, environment, settings), stores / "undisturbed")
        stage.runs.finish(stage.whole)
        return stage

    def copy(self, name: str) -> Path:
        """A copy of the store of an undisturbed run."""
        store = self.runs.stores / name
        shutil.copytree(self.whole, store)
        return store

    def fail(self, process: "subprocess.Popen[bytes]", store: Path) -> str:
        """Wait for a run to fail, and return the paragraph that it prints."""
        assert process.wait(LONGEST) == 1, "it should have failed"
        said = store.with_suffix(".log").read_text("utf-8").splitlines()
        return next(line for line in reversed(said) if line.startswith("matinee: "))

    def go_on(self, store: Path) -> None:
        """Check the requirements after each fault."""
        if (store / "champion.json").exists():
            load_champion(store)
        self.runs.finish(store)
        load_champion(store)
        check_same(store, self.whole, after=store.name)


def wait_for(pattern: str, store: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a run has written a file that matches the pattern."""
    while not list(store.glob(pattern)):
        assert process.poll() is None, store.with_suffix(".log").read_text("utf-8")[-2000:]
        time.sleep(0.01)


def mount(*words: str) -> None:
    """Mount or unmount, if this user is allowed to."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImpossibleError(f"`{' '.join(words[:3])}` is refused: {done.stderr.splitlines()[0]}")


def can_mount(*words: str) -> bool:
    """Whether it could be mounted now."""
    with contextlib.suppress(ImpossibleError):
        mount(*words)
        return True
    return False


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file, as a bad disk does; its size and time do not change."""
    times, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def disk_full(stage: Stage, store: Path) -> str:
    """the disk is full"""
    store.mkdir()
    size = sum(path.stat().st_size for path in stage.whole.rglob("*") if path.is_file())
    mount("mount", "-t", "tmpfs", "-o", f"size={size // 2}", "tmpfs", str(store))
    try:
        said = stage.fail(stage.runs.start(store), store)
        assert "No space left" in said, said
        assert not (store / "champion.json").exists()
        mount("mount", "-o", f"remount,size={size * 4}", str(store))
        stage.go_on(store)
    finally:
        mount("umount", "--lazy", str(store))
    return "three retries, then StoreError: no space left"


def read_only(stage: Stage, store: Path) -> str:
    """the store turns read-only while a run trains"""
    store.mkdir()
    mount("mount", "--bind", str(store), str(store))
    try:
        process = stage.runs.start(store)
        wait_for("work/*/*.safetensors", store, process)
        while not can_mount(
            "mount", "-o", "remount,bind,ro", str(store)
        ):  # busy while a file is being written
            assert process.poll() is None, "the run was over before"
        said = stage.fail(process, store)
        assert "Read-only" in said, said
        mount("mount", "-o", "remount,bind,rw", str(store))
        stage.go_on(store)
    finally:
        mount("umount", "--lazy", str(store))
    return "StoreError: read-only file system"


def gone(stage: Stage, store: Path) -> str:
    """the store is gone while a run trains"""
    process = stage.runs.start(store)
    wait_for("work/*/*.safetensors", store, process)
    away = store.with_name("away")
    store.rename(away)
    said = stage.fail(process, store)
    assert "could not be written" in said, said
    shutil.rmtree(store, ignore_errors=True)
    away.rename(store)
    stage.go_on(store)
    return "StoreError: no such file or directory"


def corrupted_parquet(stage: Stage, store: Path) -> str:
    """a flipped bit in a partition's and in a split's Parquet"""
    stage.copy(store.name)
    flip(next(store.glob("partitions/*/ratings.parquet")))
    flip(next(store.glob("splits/*/train.parquet")))
    stage.go_on(store)
    assert "is damaged" in store.with_suffix(".log").read_text("utf-8")
    return "a warning names both folders, they are computed again"


def corrupted_checkpoint(stage: Stage, store: Path) -> str:
    """a flipped bit in a checkpoint"""
    process = stage.runs.start(store)
    wait_for("work/*/*.safetensors", store, process)
    kill_group(process)
    for checkpoint in store.glob("work/*/*.safetensors"):
        flip(checkpoint)
    stage.go_on(store)
    assert "checkpoint" in store.with_suffix(".log").read_text("utf-8")
    return "a warning, the fit starts again"


def corrupted_manifest(stage: Stage, store: Path) -> str:
    """the manifests of dataset and candidate are cut off"""
    stage.copy(store.name)
    for kind in ("datasets", "candidates"):
        for path in store.glob(f"{kind}/*/manifest.json"):
            path.write_bytes(path.read_bytes()[:40])
    stage.go_on(store)
    return "a warning names the folders, they are computed again"


def corrupted_pointer(stage: Stage, store: Path) -> str:
    """champion.json is cut off"""
    stage.copy(store.name)
    pointer = store / "champion.json"
    pointer.write_bytes(pointer.read_bytes()[:10])
    said = stage.fail(stage.runs.start(store), store)
    assert "matinee promote" in said, said
    promote = [sys.executable, "-m", "matinee.cli", "promote", "--store", str(store), "v0001"]
    subprocess.run(promote, check=True, capture_output=True)
    stage.go_on(store)
    return "ReleaseError names the release and `matinee promote`, which repairs it"


def at_once(stage: Stage, store: Path) -> str:
    """two retrains and a prune at once"""
    processes = [stage.runs.start(store) for _ in range(2)]
    prunes = 0
    prune = [sys.executable, "-m", "matinee.cli", "prune", "--store", str(store), "--keep", "1"]
    while any(process.poll() is None for process in processes):
        if store.is_dir():
            subprocess.run(prune, check=True, capture_output=True)
            prunes += 1
    assert [process.wait() for process in processes] == [0, 0], store.with_suffix(".log").read_text()[-3000:]
    stage.go_on(store)
    return f"both end with the same release, during {prunes} prunes"


ALONE: list[Callable[[Stage, Path], str]] = [
    disk_full,
    read_only,
    gone,
    corrupted_parquet,
    corrupted_checkpoint,
    corrupted_manifest,
    corrupted_pointer,
    at_once,
]


def drill(stage: Stage, faults: list[Callable[[Stage, Path], str]]) -> Iterator[tuple[str, str, float]]:
    """Run each fault on a new store; yields the fault, the observation and the seconds.

    Raises AssertionError if anything is lost.
    """
    for fault in faults:
        store = stage.runs.stores / fault.__name__
        started = time.monotonic()
        try:
            seen = fault(stage, store)
        except ImpossibleError as reason:
            seen = f"skipped: {reason}"
        yield inspect.getdoc(fault) or fault.__name__, seen, time.monotonic() - started
        shutil.rmtree(store, ignore_errors=True)


def main() -> None:
    """Write sample data, start a server, run the drills, and print the observations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=4292)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="these faults, by the names of their functions"
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="put the table between the markers in FILE"
    )
    call = parser.parse_args()
    chosen = [
        fault for fault in [*ALONE, *drill_worker.FAULTS] if not call.only or fault.__name__ in call.only
    ]
    for number in range(1, call.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            for row in drill_all(Path(folder), call.port, {fault.__name__ for fault in chosen}):
                print(f"round {number}: {row[0]}: {row[1]} ({row[2]:.0f} s)", flush=True)
                if call.write:
                    write_row(call.write, row, rounds=number)
    print(f"{len(chosen)} faults, {call.rounds} rounds: nothing was lost that the next run did not make good")


def drill_all(root: Path, port: int, names: set[str]) -> Iterator[tuple[str, str, float]]:
    """Drill the named faults below `root`: first those of a single run, then those of a worker's run."""
    data, stores, home = (root / name for name in ("data", "stores", "home"))
    stores.mkdir()
    home.mkdir()
    os.environ["TMPDIR"] = str(
        home
    )  # a separate folder of device locks, so that drills do not wait for other runs
    write_sample(data, ratings=100_000, users=1_000, movies=300, seed=1)
    if alone := [fault for fault in ALONE if fault.__name__ in names]:
        with server(port, home) as environment:
            yield from drill(Stage.build(data, stores, environment), alone)
    if of_worker := [fault for fault in drill_worker.FAULTS if fault.__name__ in names]:
        yield from drill_worker.drill(data, root / "worker", port, of_worker)


if __name__ == "__main__":
    main()
