"""Fuzzes every kind of file that the program reads: `python tests/faults/fuzz.py --cases 10000 [--kind K] [--seed S]`.

Each case spoils one file (bit flips, cuts, lengths, values of JSON, tables with other columns, ...) and asks the
library or the command line, in worker processes with little memory and a time limit. Prints one JSON object: the cases,
how the probes ended and the findings by kind; exit status 1 where there is one. A finding is a traceback, a dead or
hanging process, more than 1 GiB, or an answer that differs without an error although a sha256 covers the file.

`--case N` with `--kind` runs one case in this process, tells what comes of it, and keeps the spoiled file in `--keep`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
Result = dict[str, Any]
_PIECE = 2500  # cases of one process
_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a worker for each core is enough
_MOST_DEATHS = (
    200  # of processes, of one kind: then something is wrong with the fuzzer or nearly everything dies
)


def main() -> int:
    """Fuzz the kinds that were asked for."""
    from fuzzing.kinds import KINDS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=10_000, help="of each kind (10,000)")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="these kinds alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="this case alone, in this process")
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzzed"), help="where spoiled files of findings are kept"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="the JSON object here as well, also while it goes on")
    call = parser.parse_args()
    scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=scratch) as folder:
        template = Path(folder) / "template"
        subprocess.run([sys.executable, __file__, "--build", str(template)], check=True)
        kinds = call.kind or list(KINDS)
        if call.case is not None:
            return _one(template, Path(folder) / "ground", call)
        result = _all(template, kinds, call)
    print(json.dumps(result, indent=1))
    return 1 if result["findings"] else 0


def _one(template: Path, root: Path, call: argparse.Namespace) -> int:
    """One case in this process, with the whole story."""
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


def _all(template: Path, kinds: list[str], call: argparse.Namespace) -> Result:
    """All kinds, a few at a time; what is found is written as it comes."""
    started = time.perf_counter()
    result: Result = {"cases": 0, "seconds": 0.0, "findings": 0, "kinds": {}}
    with ThreadPoolExecutor(call.workers) as pool:
        asked = {kind: pool.submit(_kind, template, kind, call) for kind in kinds}
        for kind, future in asked.items():
            told = future.result()
            result["kinds"][kind] = told
            result["cases"] += told["cases"]
            result["findings"] += sum(cause["times"] for cause in told["findings"])
            result["seconds"] = round(time.perf_counter() - started, 1)
            print(
                f"{kind}: {told['cases']:,} cases, {told['probes']}, {len(told['findings'])} causes",
                file=sys.stderr,
            )
            if call.out:
                call.out.write_text(json.dumps(result, indent=1) + "\n")
    return result


def _kind(template: Path, kind: str, call: argparse.Namespace) -> Result:
    """All cases of a kind, in one process after the other; where one dies, that is a finding."""
    told: Result = {"cases": call.cases, "probes": {}, "seconds": 0.0, "mib": 0, "findings": []}
    causes: dict[tuple[str, str, str], Result] = {}
    first, deaths = 0, 0
    while first < call.cases and deaths < _MOST_DEATHS:
        last = min(first + _PIECE, call.cases)
        with tempfile.TemporaryDirectory(prefix="worker-", dir=template.parent) as place:
            progress = Path(place) / "number"
            words = [
                str(template),
                f"{place}/ground",
                kind,
                str(call.seed),
                str(first),
                str(last),
                str(progress),
            ]
            ran = subprocess.run(
                [sys.executable, __file__, "--worker", *words],
                env=os.environ | _ONE_THREAD,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            for line in ran.stdout.splitlines():
                _add(told, causes, json.loads(line), call=call, template=template)
            if ran.returncode:
                deaths += 1
                number = int(progress.read_text()) if progress.exists() else first
                found = _death(kind, call.seed, number, ran)
                _add(told, causes, {"finding": found}, call=call, template=template)
                last = number + 1
        first = last
    told["cases"] = first
    told["findings"] = list(causes.values())
    return told


def _death(kind: str, seed: int, number: int, ran: "subprocess.CompletedProcess[str]") -> Result:
    """What a process that died leaves."""
    hangs = "Timeout (" in ran.stderr
    signals = (
        f"killed by {signal.Signals(-ran.returncode).name}"
        if ran.returncode < 0
        else f"status {ran.returncode}"
    )
    frames = [line.strip() for line in ran.stderr.splitlines() if "/matinee/" in line]
    case = {"kind": kind, "seed": seed, "number": number}
    return {
        "case": case,
        "file": "",
        "probe": "",
        "what": "hangs" if hangs else signals,
        "where": frames[0] if frames else "",
        "detail": ran.stderr[-4000:],
    }


def _add(
    told: Result, causes: dict[tuple[str, str, str], Result], line: Result, *, call: Any, template: Path
) -> None:
    """Count a line of a worker; findings of one cause stand once, with the first case and how often."""
    if "finding" not in line:
        for name, count in line["counts"].items():
            told["probes"][name] = told["probes"].get(name, 0) + count
        told["seconds"], told["mib"] = max(told["seconds"], line["seconds"]), max(told["mib"], line["mib"])
        return
    found = line["finding"]
    what = found["what"].split(":")[0]
    cause = causes.setdefault((found["probe"], what, found["where"]), {**found, "times": 0})
    cause["times"] += 1
    if cause["times"] == 1:
        from fuzzing.cases import Case
        from fuzzing.ground import Ground

        class Shown(Ground):
            def __post_init__(self) -> None:
                """Nothing is copied: the template is only read."""

        cause["kept"] = str(_keep(Shown(template, template), Case(**found["case"]), call.keep))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        from fuzzing.ground import build

        build(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--worker"]:
        from fuzzing.cases import main as worker

        worker(sys.argv[2:])
    else:
        sys.exit(main())
