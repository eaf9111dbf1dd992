"""Runs cases in one process: corrupt a file, call the program, compare, restore. A violation is a `Finding`."""

import contextlib
import faulthandler
import functools
import gc
import hashlib
import json
import os
import pickle
import resource
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.formats import spoil
from fuzzing.ground import Ground
from fuzzing.kinds import KINDS, Probe
from fuzzing.mutations import spoil_bytes
from fuzzing.pieces import is_past

from matinee.cli import arguments
from matinee.errors import MatineeError
from matinee.evaluate import plots
from matinee.ingest import dataset
from matinee.ingest.reading.sources import Source
from matinee.ingest.titles.table import ReadTitles
from matinee.settings.ingest import IngestSettings, Kind
from matinee.store.digests import _file_digest

SECONDS = 30.0  # processor time: a case that takes longer hangs
_KNOWN = 4  # files of titles that are read once
_WAIT = 180.0  # wall-clock time, on a busy machine
MEMORY = 1 << 30  # resident bytes: the limit of every case
_ROOM = 3 << 30  # address space in addition to that of a warm process: a bomb that needs more is stopped


@dataclass(frozen=True)
class Case:
    """A mutation by its numbers, which always give the same bytes."""

    kind: str
    seed: int
    number: int


@dataclass
class Finding:
    """A violation, and how to reproduce it."""

    case: Case
    file: str
    probe: str
    what: str  # the first line: the same for all cases of one cause
    where: str
    detail: str


def mutate(ground: Ground, case: Case) -> tuple[str, bytes, Random]:
    """The file that a case corrupts, its new bytes, and the generator for the next choices."""
    kind = KINDS[case.kind]
    rng = Random(f"{case.kind} {case.seed} {case.number}")
    files = sorted(path for pattern in kind.files for path in ground.template.glob(pattern))
    path = rng.choice(files)
    data = path.read_bytes()
    try:
        spoiled = spoil(kind.form, data, rng)
    except Exception:  # noqa: BLE001 - a mutation of its own kind that does not fit this file
        spoiled = spoil_bytes(data, rng)
    return str(path.relative_to(ground.template)), spoiled, rng


class Round:
    """The cases of one kind on one ground."""

    def __init__(self, ground: Ground, kind: str) -> None:
        self.ground, self.name, self.kind = ground, kind, KINDS[kind]
        self._unchanged: dict[tuple[str, str], str] = {}
        self.counts: dict[str, int] = {}

    def run(self, case: Case) -> list[Finding]:
        """The findings of one case."""
        name, data, rng = mutate(self.ground, case)
        findings = []
        probes = [*self.kind.always, *rng.sample(self.kind.probes, min(1, len(self.kind.probes)))]
        expected = {probe: self._answer(probe, name) for probe in probes if self._is_compared(probe)}
        for place, probe in enumerate(probes):
            if place == 0 or place >= len(self.kind.always):
                self.ground.restore()
                self.ground.write(name, data)
            said = self._ask(probe, name, rng, expected.get(probe))
            self.counts[said[0]] = self.counts.get(said[0], 0) + 1
            if said[0] == "finding":
                findings.append(Finding(case, name, probe.__name__, *said[1:]))
        _file_digest.cache_clear()
        return findings

    def warm_up(self) -> None:
        """Run each probe on intact files first, so imports, compilation and caches do not count for a case."""
        name = mutate(self.ground, Case(self.name, 0, 0))[0]
        for probe in dict.fromkeys((*self.kind.always, *self.kind.probes)):
            self.ground.restore()
            with contextlib.suppress(MatineeError):
                probe(self.ground, name, Random(0))

    def _is_compared(self, probe: Probe) -> bool:
        return self.kind.covered and probe in self.kind.always and probe.__name__ != "forged"

    def _answer(self, probe: Probe, name: str) -> str:
        """The answers of the unchanged store."""
        if (probe.__name__, name) not in self._unchanged:
            self.ground.restore()
            self._unchanged[probe.__name__, name] = probe(self.ground, name, Random(0))
            self.ground.restore()
        return self._unchanged[probe.__name__, name]

    def _ask(self, probe: Probe, name: str, rng: Random, expected: str | None) -> tuple[str, ...]:
        """The end of a probe: "same", "answer", "refused" or "finding", with message, place and details."""
        try:
            answer = probe(self.ground, name, rng)
        except MatineeError as error:
            text = str(error)
            if not text or "Traceback" in text:
                return "finding", "an error without a sentence", "", repr(error)
            return ("refused",)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            return (
                "finding",
                f"{type(error).__name__}: {str(error)[:150]}",
                _place(error),
                traceback.format_exc()[-4000:],
            )
        if expected is not None and answer != expected:
            return (
                "finding",
                "an answer that differs from the unchanged store's",
                "",
                f"{answer[:500]}\n{expected[:500]}",
            )
        return ("same" if expected is not None else "answer",)


def _place(error: Exception) -> str:
    """The project's line that raised the error, from the traceback or from the text that the command line logged."""
    text = str(error) if type(error).__name__ == "FaultError" else "".join(traceback.format_exception(error))
    lines = [
        line.strip() for line in text.splitlines() if line.strip().startswith("File ") and "/matinee/" in line
    ]
    return lines[-1] if lines else ""


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most resident bytes since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    return 0


def limit_memory() -> None:
    """Limit the address space to that of a warm process plus some room, so a bomb raises MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _ROOM,) * 2)


def work(
    ground: Ground, kind: str, *, seed: int, numbers: range, progress: Path, deadline: float | None = None
) -> Iterator[dict[str, Any]]:
    """Run cases, writing the number of each to `progress` first; print the findings, and at the end the counts."""
    todo, seconds, most, done = Round(ground, kind), 0.0, 0, 0
    with _spared():
        todo.warm_up()
        gc.collect()
        gc.freeze()  # objects of a warm process are not garbage; checking them took a tenth of the time
        limit_memory()
        with progress.open("wb", buffering=0) as place:
            for number in numbers:
                if is_past(deadline):
                    break
                os.pwrite(place.fileno(), b"%-20d" % number, 0)
                faulthandler.dump_traceback_later(_WAIT, exit=True)
                started = time.process_time()
                _forget_peak()
                for finding in todo.run(Case(kind, seed, number)):
                    yield {"finding": asdict(finding)}
                taken, peak = time.process_time() - started, _peak()
                seconds, most, done = max(seconds, taken), max(most, peak), done + 1
                for what in ["more than 1 GiB resident"] * (peak > MEMORY) + ["hangs"] * (taken > SECONDS):
                    yield {
                        "finding": asdict(
                            Finding(Case(kind, seed, number), "", "", what, "", f"{peak} bytes, {taken} s")
                        )
                    }
        faulthandler.cancel_dump_traceback_later()
    yield {"counts": todo.counts, "seconds": round(seconds, 2), "mib": most >> 20, "cases": done}


@contextlib.contextmanager
def _spared() -> Iterator[None]:
    """Cache slow work that depends on no corrupted file: the parser of the command line, pictures, good titles."""
    real_parser, real_draw, real_titles = arguments.build_parser, plots.draw, dataset.read_titles
    known: dict[tuple[str, ...], ReadTitles] = {}
    drawn: dict[bytes, dict[str, bytes]] = {}

    def draw(folder: Path, **shown: Any) -> None:
        """The pictures of an evaluation. Equal figures give equal bytes."""
        key = hashlib.sha256(pickle.dumps(shown)).digest()
        if key not in drawn:
            real_draw(folder, **shown)
            drawn[key] = {path.name: path.read_bytes() for path in folder.iterdir()}
            return
        folder.mkdir()
        for name, data in drawn[key].items():
            (folder / name).write_bytes(data)

    def read_titles(source: Source, settings: IngestSettings, kind: Kind | None) -> ReadTitles:
        """The titles of a file. The first files, when nothing is corrupted yet, are read once."""
        key = (*source.identity, settings.model_dump_json(), str(kind))
        if key in known:
            return known[key]
        read = real_titles(source, settings, kind)
        if len(known) < _KNOWN:
            known[key] = read
        return read

    arguments.build_parser, plots.draw = functools.cache(real_parser), draw
    dataset.read_titles = read_titles  # type: ignore[assignment]
    try:
        yield
    finally:
        arguments.build_parser, plots.draw, dataset.read_titles = real_parser, real_draw, real_titles


def main(
    template: Path,
    root: Path,
    kind: str,
    *,
    seed: int,
    numbers: range,
    progress: Path,
    deadline: float | None = None,
) -> None:
    """A process for some cases; prints one JSON object per line."""
    faulthandler.enable()
    ground = Ground(template, root)
    for told in work(ground, kind, seed=seed, numbers=numbers, progress=progress, deadline=deadline):
        print(json.dumps(told), flush=True)
