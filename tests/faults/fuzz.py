"""Fuzzes every kind of file that the program reads: `python tests/faults/fuzz.py --cases 10000 [--kind K] [--seed S]`.

Each case corrupts one file (bit flips, cuts, lengths, values of JSON, tables with other columns, ...) and calls the
library or the command line, in worker processes with little memory and a time limit. It prints one JSON object: the
cases, the ends of the probes, and the findings per kind. The exit status is 1 if there are findings. A finding is a
traceback, a dead or hanging process, more than 1 GiB, or a wrong answer without an error although a sha256 covers the
file.

With `--seconds`, it stops by itself: `missing` of a kind has the cases that were not reached, as [first, end) for
`--first` and `--cases`. `--case N` with `--kind` runs one case in this process, prints its result, and keeps the
corrupted file in `--keep`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before the imports that read it: one worker per core is enough
    os.environ.update(POLARS_MAX_THREADS="1", OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]
Result = dict[str, Any]
_PIECE = 1250  # cases of one process
_MANY = 1000  # number of cases from which importing everything first is worth it
_MOST_DEATHS = (
    200  # dead processes per kind: with more, the fuzzer is wrong or nearly every case kills its process
)


def main() -> int:
    """Fuzz the selected kinds."""
    from fuzzing.kinds import KINDS

    call = _parser(list(KINDS)).parse_args()
    scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=scratch) as folder:
        template = call.template or Path(folder) / "template"
        if not template.exists():
            subprocess.run([sys.executable, __file__, "--build", str(template)], check=True)
        if call.case is not None:
            return _one(template, Path(folder) / "ground", call)
        result = _all(template, Path(folder), call.kind or list(KINDS), call)
    print(json.dumps(result, indent=1))
    return 1 if result["findings"] else 0


def _parser(kinds: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000, help="of each kind (10,000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case (0)")
    parser.add_argument("--kind", action="append", choices=kinds, help="these kinds alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="this case alone, in this process")
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzzed"), help="where spoiled files of findings are kept"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--piece", type=int, default=_PIECE, help=f"cases of one process ({_PIECE:,})")
    parser.add_argument("--seconds", type=float, help="begin no case after this time")
    parser.add_argument("--template", type=Path, help="where the unspoiled files are kept, or made if absent")
    parser.add_argument("--out", type=Path, help="the JSON object here as well, also while it goes on")
    return parser


def _one(template: Path, root: Path, call: argparse.Namespace) -> int:
    """Run one case in this process, and print all details."""
    from fuzzing.cases import Case, Round, mutate
    from fuzzing.ground import Ground

    case = Case(call.kind[0], call.seed, call.case)
    ground = Ground(template, root)
    kept = _keep(ground, case, call.keep)
    print(f"{mutate(ground, case)[0]} spoiled as {kept}")
    rounds = Round(ground, case.kind)
    findings = rounds.run(case)
    for finding in findings:
        print(f"{finding.probe}: {finding.what}\n{finding.where}\n{finding.detail}")
    print(rounds.counts)
    return 1 if findings else 0


def _keep(ground: Any, case: Any, folder: Path) -> Path:
    from fuzzing.cases import mutate

    name, data, _ = mutate(ground, case)
    folder.mkdir(exist_ok=True)
    kept = folder / f"{case.kind.replace(' ', '-')}-{case.seed}-{case.number}-{Path(name).name}"
    kept.write_bytes(data)
    return kept


def _all(template: Path, scratch: Path, kinds: list[str], call: argparse.Namespace) -> Result:
    """Run all kinds, one piece per worker at a time; findings are written at once."""
    from fuzzing import pieces

    if call.cases * len(kinds) > _MANY:
        pieces.preload()
    started = time.monotonic()
    deadline = None if call.seconds is None else started + call.seconds
    span = [call.first, call.first + call.cases]
    told: dict[str, Result] = {kind: _nothing(span) for kind in kinds}
    result: Result = {"cases": 0, "seconds": 0.0, "findings": 0, "complete": 0, "kinds": told}
    asked = pieces.cut(kinds, first=call.first, cases=call.cases, size=call.piece)
    if deadline is not None:
        asked.sort(key=lambda piece: piece.first)  # some of each kind, in case the time is too short for all
    work = partial(_work, template, seed=call.seed, deadline=deadline)
    for ended in pieces.run(asked, work, workers=call.workers, scratch=scratch, deadline=deadline):
        kind = told[ended.piece.kind]
        _count(kind, ended, call, template=template)
        result["cases"] = sum(each["cases"] for each in told.values())
        result["findings"] = sum(cause["times"] for each in told.values() for cause in each["findings"])
        result["complete"] = sum(not each["missing"] for each in told.values())
        result["seconds"] = round(time.monotonic() - started, 1)
        if call.out:
            call.out.write_text(json.dumps(result, indent=1) + "\n")
        if not kind["missing"]:
            print(_line(ended.piece.kind, kind), file=sys.stderr, flush=True)
    return result


def _nothing(span: list[int]) -> Result:
    empty: Result = {"cases": 0, "probes": {}, "seconds": 0.0, "mib": 0, "deaths": 0}
    return {**empty, "missing": [span], "findings": []}


def _without(spans: list[list[int]], first: int, last: int) -> list[list[int]]:
    """Spans of numbers without those from `first` to `last`, which are in one of them."""
    kept = []
    for start, end in spans:
        kept += [[start, min(end, first)], [max(start, last), end]]
    return [span for span in kept if span[0] < span[1]]


def _line(kind: str, told: Result) -> str:
    return f"{kind}: {told['cases']:,} cases, {told['probes']}, {len(told['findings'])} causes"


def _work(template: Path, piece: Any, place: Path, *, seed: int, deadline: float | None) -> None:
    """A process for the cases of a piece; prints one JSON object per line."""
    from fuzzing.cases import main as worker

    numbers = range(piece.first, piece.last)
    worker(
        template,
        place / "ground",
        piece.kind,
        seed=seed,
        numbers=numbers,
        progress=place / "number",
        deadline=deadline,
    )


def _count(told: Result, ended: Any, call: argparse.Namespace, *, template: Path) -> None:
    """Add the results of a process; if it died, that is a finding."""
    first, last = ended.piece.first, ended.number + 1  # it died at this case, and the next cases were not run
    for line in ended.lines:
        if "finding" in line:
            _find(told, line["finding"], call, template=template)
            continue
        for name, count in line["counts"].items():
            told["probes"][name] = told["probes"].get(name, 0) + count
        told["seconds"], told["mib"] = max(told["seconds"], line["seconds"]), max(told["mib"], line["mib"])
        last = first + line["cases"]
    if ended.status:
        told["deaths"] += 1
        _find(told, _death(ended, seed=call.seed), call, template=template)
        if told["deaths"] >= _MOST_DEATHS:
            raise SystemExit(f"{ended.piece.kind}: {told['deaths']} processes died")
    told["cases"] += last - first
    told["missing"] = _without(told["missing"], first, last)


def _death(ended: Any, *, seed: int) -> Result:
    """The finding for a process that died."""
    hangs = "Timeout (" in ended.errors
    signals = (
        f"killed by {signal.Signals(-ended.status).name}" if ended.status < 0 else f"status {ended.status}"
    )
    frames = [line.strip() for line in ended.errors.splitlines() if "/matinee/" in line]
    return {
        "case": {"kind": ended.piece.kind, "seed": seed, "number": ended.number},
        "file": "",
        "probe": "",
        "what": "hangs" if hangs else signals,
        "where": frames[0] if frames else "",
        "detail": ended.errors[-4000:],
    }


def _find(told: Result, found: Result, call: argparse.Namespace, *, template: Path) -> None:
    """Merge findings of the same cause, with the first case and the count."""
    what = found["what"].split(":")[0]
    for cause in told["findings"]:
        if (cause["probe"], cause["what"].split(":")[0], cause["where"]) == (
            found["probe"],
            what,
            found["where"],
        ):
            cause["times"] += 1
            return
    case = [found["case"]["kind"], str(found["case"]["seed"]), str(found["case"]["number"])]
    kept = subprocess.run(  # in another process, because a process that forks must not compute anything
        [sys.executable, __file__, "--keep-case", str(template), str(call.keep), *case],
        capture_output=True,
        text=True,
        check=False,
    )
    told["findings"].append({**found, "times": 1, "kept": kept.stdout.strip() or kept.stderr[-500:]})


def _keep_case(template: Path, folder: Path, kind: str, *numbers: str) -> None:
    """Keep the corrupted file of a case, and print its path."""
    from fuzzing.cases import Case
    from fuzzing.ground import Ground

    class Shown(Ground):
        def __post_init__(self) -> None:
            """Use the template itself, without a copy, because it is only read."""

    print(_keep(Shown(template, template), Case(kind, *map(int, numbers)), folder))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        from fuzzing.ground import build

        build(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--keep-case"]:
        _keep_case(Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
    else:
        sys.exit(main())
