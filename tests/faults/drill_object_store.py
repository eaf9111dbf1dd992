"""Runs four publishers, a pruner and a reader on hosts of their own, on a store in an object store, many times.

    python tests/faults/drill_object_store.py [--rounds 100]

After each round, each listed release verifies, the champion is the last one of the log, and the log has no gap.
Some publishers are killed. Prints one JSON object, and fails at the first round with a violation.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from drill_registry import prune_many, publish_night, read_many, start
from object_store import ObjectStore, running_store

from matinee.maintenance.prune import prune
from matinee.registry import Registry
from matinee.release import verify
from matinee.store import Store
from matinee.store.remote import remote_of, turns

_PAUSE_SECONDS = 0.05  # otherwise pruner and reader take most of the time of the test server


def publish_many(address: Path, name: str, nights: int) -> None:
    """Publish the nights of one publisher."""
    turns.TURN_SECONDS = 3.0  # a turn of a killed publisher is taken over soon
    store = Store.open(address)
    for night in range(nights):
        publish_night(store, f"{name}{night}", partition=f"partition-{night // 3}")


def prune_until(address: Path, until: str) -> None:
    """Prune until the stop signal."""
    turns.TURN_SECONDS = 3.0
    prune_many(Store.open(address).root, until, pause_seconds=_PAUSE_SECONDS)


def read_until(address: Path, until: str) -> None:
    """Read until the stop signal."""
    read_many(Store.open(address).root, until, pause_seconds=_PAUSE_SECONDS)


def run_round(server: ObjectStore, scratch: Path, *, nights: int, publishers: int = 4, kills: int = 1) -> int:
    """Publish from several hosts, prune and read at the same time, and check the result; returns the entries."""
    address = Path(f"s3://{server.new_bucket()}/store")
    store, done = Store.open(address), scratch / "done"
    others = [_start(role, address, scratch, str(done)) for role in (prune_until, read_until)]
    names = [f"publisher{number}" for number in range(publishers)]
    running = [_start(publish_many, address, scratch, name, nights) for name in names]
    for process in running[:kills]:
        while not Registry.open(store.root).log():
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    codes = [process.wait(300) for process in running]
    done.touch()
    codes += [process.wait(300) for process in others]
    done.unlink()
    assert codes == [-signal.SIGKILL] * kills + [0] * (publishers - kills + 2), codes
    time.sleep(1.1)  # the log has whole seconds, so a run can still use what changed in this second
    clear_killed(store)
    prune(store.root, keep=1)
    return check(store, published=(publishers - kills) * nights)


def clear_killed(store: Store) -> None:
    """Remove the leases of killed runs, which would count for ten minutes."""
    remote = remote_of(store.root)
    assert remote is not None
    remote.objects.delete([each.key for each in remote.objects.list("running/")])


def check(store: Store, *, published: int) -> int:
    """Every listed release is whole with its inputs, and the log is complete; returns the number of its entries."""
    remote = remote_of(store.root)
    assert remote is not None
    registry = Registry.open(store.root)
    for version in registry.versions():
        manifest = verify(registry.folder(version))
        for kind, name in (("candidates", manifest["candidate"]), ("splits", manifest["split"]["digest"])):
            assert store.manifest(kind, name)["digest"] == name
    numbers = [int(each.key[4:12]) for each in remote.objects.list("log/")]
    assert numbers == list(range(1, len(numbers) + 1)), "a gap in the log"
    moves = [entry for entry in registry.log() if entry.action == "publish"]
    assert len({entry.version for entry in moves}) == len(moves) >= published
    assert [entry.before for entry in moves[1:]] == [entry.version for entry in moves[:-1]], "a lost move"
    assert registry.champion() == moves[-1].version
    pointer = remote.objects.get("champion.json")
    assert pointer is not None
    with registry.lock():  # makes it again if its writer was killed
        pointer = remote.objects.get("champion.json")
    assert pointer is not None
    assert json.loads(pointer.data)["version"] == moves[-1].version
    return len(numbers)


def _start(
    function: Callable[..., None], address: Path, scratch: Path, *arguments: Any
) -> "subprocess.Popen[bytes]":
    """Run a function of this file in a process with a cache of its own."""
    cache = tempfile.mkdtemp(dir=scratch, prefix=f"{function.__name__}-")
    return start(function, address, *arguments, MATINEE_CACHE=cache)


def main() -> None:
    """Run the rounds and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--nights", type=int, default=3)
    call = parser.parse_args()
    started, entries = time.perf_counter(), 0
    with running_store() as server, tempfile.TemporaryDirectory() as scratch:
        os.environ |= {**server.environment, "MATINEE_CACHE": str(Path(scratch) / "check")}
        for _ in range(call.rounds):
            entries += run_round(server, Path(scratch), nights=call.nights)
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"rounds": call.rounds, "entries": entries, "killed": call.rounds, "seconds": seconds}))


if __name__ == "__main__":
    main()
