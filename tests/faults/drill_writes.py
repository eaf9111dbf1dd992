"""Fails every change of a file that promote, rollback, prune, forget, publish and a night make, one at a time.

    python tests/faults/drill_writes.py [--only promote ...] [--every N] [--workers N] [--write docs/operations.md]

Each write, rename, sync, unlink and so on fails by a full disk (ENOSPC), a broken disk (EIO), and the end of the
process. After each failure, the command has reported an error of Matinee or has succeeded. Each release verifies, the
champion is the one before or after, no line of the log is lost, doctor finds no failure, and the same command finishes.

The points are tried in a random order that is always the same, by one process per worker. With `--seconds`, the drill
stops by itself, and the table has the number of points that were tried. The exit status is 1 if anything is lost.
"""

import argparse
import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":  # before the imports that read it: one worker per core is enough
    os.environ.update(POLARS_MAX_THREADS="1", OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

sys.path.insert(0, str(Path(__file__).parent))
from drawn_once import Pictures
from failing import FAULTS, Disk, Killed, failing
from fuzzing import pieces
from write_commands import Drilled, build, commands, publish
from written import write_between

from matinee.errors import MatineeError
from matinee.maintenance import doctor
from matinee.pipeline import run as pipeline_run
from matinee.registry import Registry
from matinee.release import verify

NAMES = ("promote", "rollback", "prune", "forget", "publish", "night")
BEGIN, END = "<!-- writes: written by `make attack` -->", "<!-- end of writes -->"
_PIECE = 60  # points of one process


def drill(
    command: Drilled, template: Path, scratch: Path, *, faults: tuple[str, ...] = FAULTS, every: int = 1
) -> Counter[str]:
    """Fail each `every`-th change of a command by each fault; counts the attempts.

    Raises AssertionError, with the point, if anything is lost.
    """
    pictures = Pictures()
    seen = Counter({"changes": len(changes(command, template, scratch, pictures=pictures))})
    for fault in faults:
        for at in range(1, seen["changes"] + 1, every):
            ended = _fail_once(command, template, scratch, fault=fault, at=at, pictures=pictures)
            seen[fault] += 1
            seen[ended] += 1
    return seen


def changes(
    command: Drilled, template: Path, scratch: Path, *, pictures: "Pictures | None" = None
) -> list[str]:
    """The changes of a command, in order."""
    root = _fresh(template, scratch)
    with failing(Disk(root, "")) as disk, pictures.drawing(disk) if pictures else contextlib.nullcontext():
        command.run(root)
    return disk.changes


def _fresh(template: Path, scratch: Path) -> Path:
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(template, root, copy_function=shutil.copy2)
    return root


def _fail_once(
    command: Drilled, template: Path, scratch: Path, *, fault: str, at: int, pictures: Pictures | None = None
) -> str:
    root, pictures = _fresh(template, scratch), pictures or Pictures()
    disk, log = Disk(root, fault, at), (root / "store" / "log.jsonl").read_bytes()
    ended = "ended well"
    try:
        with failing(disk), pictures.drawing(disk):
            command.run(root)
    except Killed:
        ended = "killed"
    except MatineeError:
        ended = "told"
    except Exception as error:
        raise AssertionError(
            f"{command.name}, {fault} at {at}, {disk.changes[at - 1]}: no error of ours"
        ) from error
    with _named(f"{command.name}, {fault} at {at}, {disk.changes[at - 1]}"):
        _check(command, root, log=log)
        if (
            Registry(root / "store").champion() != command.champions[1]
            or command.champions[0] == command.champions[1]
        ):
            with pictures.drawing(Disk(root, "")):
                command.run(root)
        assert Registry(root / "store").champion() == command.champions[1], "the next command goes on"
        if command.name in ("promote", "rollback"):
            Registry(root / "store").record("prune", version="v0009")  # a line after it
        _check(command, root, log=log)
        command.check(root)
    return ended


@contextlib.contextmanager
def _named(point: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{point}: {error!r}") from error


def _check(command: Drilled, root: Path, *, log: bytes) -> None:
    """Check that releases, champion, log and doctor are sound after a failure."""
    registry = Registry(root / "store")
    versions = registry.versions()
    for version in versions:
        verify(registry.folder(version))
    assert {"v0001", "v0002", "v0003", "v0004"} - set(versions) <= command.gone, (
        f"a release is lost: {versions}"
    )
    assert registry.champion() in command.champions, registry.champion()
    assert registry.champion() in versions
    assert (registry.root / "log.jsonl").read_bytes().startswith(log), "a line of the log is lost"
    wrong = [check for check in doctor._store(registry.root) if check.status == "fail" or _is_odd(check)]
    assert not wrong, wrong


def _is_odd(check: doctor.Check) -> bool:
    """A warning that the fault does not explain; after a kill, half a line of the log is allowed."""
    return check.status != "ok" and (
        check.name == "files" or (check.name == "log" and "1 of its lines" not in check.said)
    )


def finish_steps(template: Path) -> None:
    """Run all steps of the next run except publish."""
    real, told = pipeline_run.publish, RuntimeError("all but publish is done")

    def stop(*_: Any, **__: Any) -> Any:
        raise told

    pipeline_run.publish = stop  # type: ignore[assignment]
    try:
        publish(template)
    except RuntimeError as error:
        assert error is told
    else:
        raise AssertionError("the run has published")
    finally:
        pipeline_run.publish = real


def main() -> int:
    """Run the drill, and write the results."""
    call = _parser().parse_args()
    scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="writes-", dir=scratch) as folder:
        started, place = time.monotonic(), Path(folder)
        deadline = None if call.seconds is None else started + call.seconds
        subprocess.run([sys.executable, __file__, "--build", place], check=True)
        pieces.preload()
        seen: dict[str, Counter[str]] = {name: Counter() for name in call.only or NAMES}
        run = partial(pieces.run, workers=call.workers, scratch=place, deadline=deadline)
        first = [pieces.Piece(name, 0, 1) for name in seen]
        for ended in run(first, partial(_count, template=place)):
            assert not ended.status, ended.errors
            seen[ended.piece.kind].update(ended.lines[0])
        asked = [
            piece
            for name, found in seen.items()
            for piece in pieces.cut(
                [name], first=0, cases=len(_points(found["changes"], call.every)), size=_PIECE
            )
        ]
        asked.sort(
            key=lambda piece: piece.first
        )  # some of each command, in case the time is too short for all
        points = {name: _points(found["changes"], call.every) for name, found in seen.items()}
        work = partial(_work, template=place, points=points, deadline=deadline)
        for ended in run(asked, work):
            found = seen[ended.piece.kind]
            for line in ended.lines:
                found.update(line)
            if ended.status:
                found["lost"] += 1
                print(ended.errors, file=sys.stderr, flush=True)
            if call.out:
                call.out.write_text(_table("", seen) + "\n")
    print(_table("", seen), f"\n{time.monotonic() - started:.0f} s")
    if call.write:
        write_between(call.write, _table(call.write.read_text("utf-8"), seen), begin=BEGIN, end=END)
    return 1 if any(found["lost"] for found in seen.values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=NAMES, default=[])
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th change alone")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seconds", type=float, help="begin no point after this time")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the table here, also while it goes on")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="put the table between the markers in FILE"
    )
    return parser


def _build_all(place: Path) -> None:
    """Build the templates in a separate process, because a process that forks must not compute anything."""
    build(place / "template")
    shutil.copytree(place / "template", place / "ready")
    finish_steps(place / "ready")


def _count(piece: pieces.Piece, scratch: Path, *, template: Path) -> None:
    """Print how many changes a command makes, as JSON."""
    print(json.dumps({"changes": len(changes(*_drilled(piece.kind, template), scratch))}))


def _drilled(name: str, template: Path) -> tuple[Drilled, Path]:
    """A command and its template."""
    logging.disable(logging.WARNING)
    found = next(command for command in commands(template / "template") if command.name == name)
    return found, template / ("ready" if name == "publish" else "template")


def _points(changes: int, every: int) -> list[tuple[str, int]]:
    """Each fault at each `every`-th change, in a random order that is always the same."""
    points = [(fault, at) for fault in FAULTS for at in range(1, changes + 1, every)]
    Random(0).shuffle(points)
    return points


def _work(
    piece: pieces.Piece,
    scratch: Path,
    *,
    template: Path,
    points: dict[str, list[tuple[str, int]]],
    deadline: float | None,
) -> None:
    """A process for some points of a command; prints one JSON object per point."""
    command, start = _drilled(piece.kind, template)
    pictures = Pictures()
    changes(command, start, scratch, pictures=pictures)
    for number in range(piece.first, piece.last):
        if pieces.is_past(deadline):
            return
        (scratch / "number").write_text(str(number))
        fault, at = points[piece.kind][number]
        ended = _fail_once(command, start, scratch, fault=fault, at=at, pictures=pictures)
        print(json.dumps({fault: 1, ended: 1}), flush=True)


def _table(before: str, seen: dict[str, Counter[str]]) -> str:
    """The text of a file in which the rows of some commands are replaced in the table."""
    _, _, rest = before.partition(BEGIN)
    lines = [line for line in rest.partition(END)[0].splitlines() if line.startswith("| ")][2:]
    of_command = {line.split(" | ")[0]: line for line in lines}
    for name, found in seen.items():
        counts = (found[key] for key in ("changes", *FAULTS, "told", "ended well", "lost"))
        of_command[f"| {name}"] = f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |"
    head = (
        "| command | changes of files | ENOSPC | EIO | killed "
        "| reported as an error | ended without an error | lost |"
    )
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- | --- |", *of_command.values()])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        _build_all(Path(sys.argv[2]))
    else:
        sys.exit(main())
