"""Two publishers, a pruner and a reader at once, again and again; then thirty nights that end in a prune.

    python tests/faults/drill_registry.py [--rounds 100] [--nights 30]

Whatever happens in between: each listed release verifies, the pointer names one that does, the log is complete, and the
store stays as large as it is. Prints one JSON object; fails at the first round that does not hold.
"""

import argparse
import json
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

sys.path.insert(0, str(Path(__file__).parents[1]))
from small_release import write_release


def digest(name: str) -> str:
    """What stands for a name in the store, where folders are named by digests."""
    return digest_of(name=name)


def make_folder(store: Store, kind: str, name: str, **refers: Any) -> str:
    """A folder of the store, named by the digest of a name, whose manifest names others; returns the digest."""

    def make(folder: Path) -> Manifest:
        (folder / "data").write_text(name)
        return Manifest.model_validate({"rows": 1, **refers})

    return store.ensure(Plan(kind, digest(name), make)).digest


def make_candidate(store: Store, name: str, *, partition: str) -> tuple[str, str]:
    """The split and the candidate of one night, with all that they are made of; nights share partitions."""
    held = make_folder(store, "partitions", partition)
    dataset = make_folder(store, "datasets", f"dataset-{name}", partitions=[held])
    encoding = make_folder(store, "encodings", f"encoding-{name}", dataset=dataset)
    split = make_folder(store, "splits", f"split-{name}", dataset=dataset, encoding=encoding)
    return split, make_folder(store, "candidates", f"candidate-{name}", split=split)


def publish_night(store: Store, name: str, *, partition: str) -> str:
    """A release of one night and all that it is made of; nights share partitions."""
    registry = Registry(store.root)
    with store.in_use():
        split, candidate = make_candidate(store, name, partition=partition)
        with registry.lock():
            version = registry.next_version()
            partial = registry.folder(version).with_suffix(".partial")
            write_release(partial, manifest={"candidate": candidate, "split": {"digest": split}})
            partial.rename(registry.folder(version))
            registry.point_to(version, action="publish", reason=name)
    return version


def hold_night(store: Store, name: str, *, partition: str) -> str:
    """A candidate of one night that the gate held, and all that it is made of."""
    with store.in_use():
        split, candidate = make_candidate(store, name, partition=partition)
        evaluation = make_folder(store, "evaluations", f"evaluation-{name}", candidate=candidate, split=split)
        registry = Registry(store.root)
        with registry.lock():
            registry.record("hold", candidate=candidate, evaluation=evaluation, reason=name)
    return candidate


def publish_many(root: Path, until: str, name: str, nights: int) -> None:
    """One of the publishers."""
    for night in range(nights):
        publish_night(Store(root), f"{name}{night}", partition=f"partition-{night // 3}")


def prune_many(root: Path, until: str) -> None:
    """The pruner, until it is told to stop."""
    while not Path(until).exists():
        prune(root, keep=1)


def read_many(root: Path, until: str) -> None:
    """The reader: the champion verifies, or it is not the champion any more."""
    registry, read = Registry(root), 0
    while not Path(until).exists() or not read:
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
    """Publish twice as many nights, prune and read meanwhile, and check what is left."""
    store, done = Store.open(root), root.with_name(f"{root.name}.done")
    publishers = [_start("publish_many", root, str(done), name, nights) for name in "ab"]
    others = [_start(role, root, str(done)) for role in ("prune_many", "read_many")]
    codes = [process.wait(120) for process in publishers]
    done.touch()
    codes += [process.wait(120) for process in others]
    assert codes == [0] * 4, codes
    time.sleep(1.1)  # the log tells seconds: what changed in this one may still be judged by a run
    prune(root, keep=1)
    check(store, published=2 * nights)


def check(store: Store, *, published: int) -> None:
    """Every release that is listed is whole with all it was made of, and the log tells of every one that ever was."""
    registry = Registry(store.root)
    for manifest in registry.manifests():
        verify(registry.folder(manifest["version"]))
        for kind, name in (("candidates", manifest["candidate"]), ("splits", manifest["split"]["digest"])):
            assert store.manifest(kind, name)["digest"] == name
    log = registry.log()
    told = [entry["version"] for entry in log if entry["action"] == "publish"]
    gone = {entry["version"] for entry in log if entry["action"] == "prune"}
    assert told == [f"v{number:04d}" for number in range(1, published + 1)]
    assert registry.champion() == told[-1]
    assert gone | set(registry.versions()) == set(told)
    assert len(registry.versions()) == min(2, published)  # the champion and its predecessor


def run_nights(root: Path, publish: Callable[[int], Any], *, nights: int, keep: int) -> list[int]:
    """The store's bytes after each night, its log apart, which grows by two lines."""
    sizes = []
    for night in range(nights):
        publish(night)
        time.sleep(
            0.16
        )  # the log tells seconds: of one second prune keeps all champions, fewer than `keep` so
        prune(root, keep=keep)
        files = [path for path in root.rglob("*") if path.is_file() and path.name != "log.jsonl"]
        sizes.append(sum(path.stat().st_size for path in files))
    return sizes


def _start(function: str, root: Path, *arguments: Any) -> "subprocess.Popen[bytes]":
    """A function of this file in a process of its own."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import drill_registry, pathlib; "
    code += f"drill_registry.{function}(pathlib.Path({str(root)!r}), *{arguments!r})"
    return subprocess.Popen([sys.executable, "-c", code])


def main() -> None:
    """Run the rounds and the nights, and print what was seen."""
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
