"""Runs two publishers, a pruner and a reader at once, many times; then thirty nights that end with a prune.

    python tests/faults/drill_registry.py [--rounds 100] [--nights 30]

After each round, each listed release verifies, the pointer names one of them, the log is complete, and the store has
not grown. Prints one JSON object, and fails at the first round with a violation.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matinee.errors import ReleaseError
from matinee.formats.base import Manifest
from matinee.maintenance.prune import prune
from matinee.registry import Registry
from matinee.release import verify
from matinee.store import Plan, Store
from matinee.store.digests import digest_of
from matinee.store.remote import remote_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from small_release import write_release


def digest(name: str) -> str:
    """The digest that represents a name in the store."""
    return digest_of(name=name)


def plan_folder(kind: str, name: str, **refers: Any) -> Plan:
    """A folder that is named by the digest of a name, and whose manifest names others."""

    def make(folder: Path) -> Manifest:
        (folder / "data").write_text(name)
        return Manifest.model_validate({"rows": 1, **refers})

    return Plan(kind, digest(name), make)


def make_folder(store: Store, kind: str, name: str, **refers: Any) -> str:
    """Write a folder as `plan_folder` has it; returns its digest."""
    return store.ensure(plan_folder(kind, name, **refers)).digest


def make_candidate(store: Store, name: str, *, partition: str) -> tuple[str, str]:
    """Write the split and the candidate of one night with their inputs; nights share partitions."""
    held = make_folder(store, "partitions", partition)
    dataset = make_folder(store, "datasets", f"dataset-{name}", partitions=[held])
    encoding = make_folder(store, "encodings", f"encoding-{name}", dataset=dataset)
    split = make_folder(store, "splits", f"split-{name}", dataset=dataset, encoding=encoding)
    return split, make_folder(store, "candidates", f"candidate-{name}", split=split)


def publish_night(store: Store, name: str, *, partition: str) -> str:
    """Publish a release of one night with its inputs; nights share partitions."""
    registry = Registry(store.root)
    with store.in_use():
        split, candidate = make_candidate(store, name, partition=partition)
        with registry.lock():
            version = registry.next_version()
            partial = registry.folder(version).with_suffix(".partial")
            write_release(partial, manifest={"candidate": candidate, "split": {"digest": split}})
            partial.rename(registry.folder(version))
            if remote := remote_of(store.root):
                remote.store_release(version)
            registry.point_to(version, action="publish", reason=name)
    return version


def hold_night(store: Store, name: str, *, partition: str) -> str:
    """Record a held candidate of one night with its inputs."""
    with store.in_use():
        split, candidate = make_candidate(store, name, partition=partition)
        evaluation = make_folder(store, "evaluations", f"evaluation-{name}", candidate=candidate, split=split)
        registry = Registry(store.root)
        with registry.lock():
            registry.record("hold", candidate=candidate, evaluation=evaluation, reason=name)
    return candidate


def publish_many(root: Path, until: str, name: str, nights: int) -> None:
    """Publish the nights of one publisher."""
    for night in range(nights):
        publish_night(Store(root), f"{name}{night}", partition=f"partition-{night // 3}")


def prune_many(root: Path, until: str, *, pause_seconds: float = 0.0) -> None:
    """Prune until the stop signal, with a pause each time."""
    while not Path(until).exists():
        prune(root, keep=1)
        time.sleep(pause_seconds)


def read_many(root: Path, until: str, *, pause_seconds: float = 0.0) -> None:
    """Read until the stop signal: the champion verifies, or it is no longer the champion."""
    registry, read = Registry(root), 0
    while not Path(until).exists() or not read:
        time.sleep(pause_seconds)
        version = registry.champion()
        if version is None:
            continue
        try:
            verify(registry.folder(version))
            read += 1
        except ReleaseError:
            if registry.champion() == version:
                raise


def run_round(root: Path, *, nights: int) -> None:
    """Publish nights from two processes, prune and read at the same time, and check the result."""
    store, done = Store.open(root), root.with_name(f"{root.name}.done")
    publishers = [start(publish_many, root, str(done), name, nights) for name in "ab"]
    others = [start(role, root, str(done)) for role in (prune_many, read_many)]
    codes = [process.wait(120) for process in publishers]
    done.touch()
    codes += [process.wait(120) for process in others]
    assert codes == [0] * 4, codes
    time.sleep(1.1)  # the log has whole seconds, so a run can still use what changed in this second
    prune(root, keep=1)
    check(store, published=2 * nights)


def check(store: Store, *, published: int) -> None:
    """Every listed release is complete with its inputs, and the log has every release."""
    registry = Registry(store.root)
    for manifest in registry.manifests():
        verify(registry.folder(manifest.version))
        for kind, name in (("candidates", manifest["candidate"]), ("splits", manifest["split"]["digest"])):
            assert store.manifest(kind, name)["digest"] == name
    log = registry.log()
    told = [entry.version for entry in log if entry.action == "publish"]
    gone = {entry.version for entry in log if entry.action == "prune"}
    assert told == [f"v{number:04d}" for number in range(1, published + 1)]
    assert registry.champion() == told[-1]
    assert gone | set(registry.versions()) == set(told)
    assert len(registry.versions()) == min(2, published)  # the champion and its predecessor


def run_nights(root: Path, publish: Callable[[int], Any], *, nights: int, keep: int) -> list[int]:
    """The store's bytes after each night, without the log, which grows by two lines."""
    sizes = []
    for night in range(nights):
        publish(night)
        time.sleep(0.16)  # the log has whole seconds, and prune keeps all champions of the last second
        prune(root, keep=keep)
        files = [path for path in root.rglob("*") if path.is_file() and path.name != "log.jsonl"]
        sizes.append(sum(path.stat().st_size for path in files))
    return sizes


def start(function: Callable[..., None], *arguments: Any, **variables: str) -> "subprocess.Popen[bytes]":
    """Run a function of a drill in a separate process, with more variables in its environment."""
    module, name = Path(function.__code__.co_filename).stem, function.__name__
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import PosixPath; "
    code += f"import {module}; {module}.{name}(*{arguments!r})"
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **variables})


def main() -> None:
    """Run the rounds and the nights, and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--nights", type=int, default=30)
    call = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(call.rounds):
            run_round(Path(scratch) / f"store-{number}", nights=5)
        store = Store.open(Path(scratch) / "nights")
        sizes = run_nights(
            store.root,
            lambda night: publish_night(store, f"{night:03d}", partition=f"partition-{night // 3:03d}"),
            nights=call.nights,
            keep=7,
        )
    seconds = round(time.perf_counter() - started, 1)
    print(
        json.dumps(
            {"rounds": call.rounds, "publications": 10 * call.rounds, "bytes": sizes, "seconds": seconds}
        )
    )


if __name__ == "__main__":
    main()
