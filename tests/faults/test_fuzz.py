"""A few mutations of each kind of file, always the same. `make attack` tries 10,000 of each kind."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from matinee.errors import MatineeError

sys.path.insert(0, str(Path(__file__).parent))
from fuzzing.cases import Case, Round
from fuzzing.formats import FORMS, spoil
from fuzzing.ground import Ground, build
from fuzzing.kinds import KINDS

CASES = 3  # of each kind
WHOLE_IS_REFUSED = {"ratings.csv", "utf-16.csv", "ratings.zip"}  # dirty, or never read


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("fuzz")
    build(folder / "template")
    return Ground(folder / "template", folder / "ground")


@pytest.mark.parametrize("kind", KINDS)
def test_corrupted_files_are_refused_or_read_without_harm(kind: str, ground: Ground) -> None:
    rounds = Round(ground, kind)
    findings = [finding for number in range(CASES) for finding in rounds.run(Case(kind, 1, number))]
    assert not findings, findings[0].detail
    assert sum(rounds.counts.values()) >= CASES


@pytest.mark.parametrize("kind", KINDS)
def test_each_probe_reads_the_whole_file(kind: str, ground: Ground) -> None:
    """A probe that always refuses would find nothing."""
    files = {path.name: path for pattern in KINDS[kind].files for path in ground.template.glob(pattern)}
    assert files
    for probe in (*KINDS[kind].always[:1], *KINDS[kind].probes[:1]):
        for name, path in files.items():
            ground.restore()
            try:
                probe(ground, str(path.relative_to(ground.template)), Random(0))
            except MatineeError:
                assert name in WHOLE_IS_REFUSED


def test_mutations_are_the_same_for_the_same_seed_and_change_the_file(ground: Ground) -> None:
    for kind in KINDS.values():
        path = sorted(path for pattern in kind.files for path in ground.template.glob(pattern))[0]
        made = [spoil(kind.form, path.read_bytes(), Random(seed)) for seed in (1, 1, 2, 3, 4, 5)]
        assert made[0] == made[1]
        assert len(set(made)) > 2, kind
    assert {kind.form for kind in KINDS.values()} == FORMS.keys()


@pytest.mark.slow
def test_several_processes_run_the_same_cases_as_one(ground: Ground, tmp_path: Path) -> None:
    words = [
        "--kind",
        "pairs",
        "--cases",
        "5",
        "--piece",
        "2",
        "--workers",
        "2",
        "--template",
        ground.template,
    ]
    script = Path(__file__).with_name("fuzz.py")
    ran = subprocess.run(
        [sys.executable, script, *words, "--keep", tmp_path], capture_output=True, check=True, text=True
    )
    told = json.loads(ran.stdout)["kinds"]["pairs"]
    rounds = Round(ground, "pairs")
    for number in range(5):
        rounds.run(Case("pairs", 0, number))
    assert (told["cases"], told["missing"], told["probes"]) == (5, [], rounds.counts)


_DYING = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[1])
from fuzzing.pieces import cut, run

def work(piece, place):
    for number in range(piece.first, piece.last):
        (place / "number").write_text(str(number))
        if number in (3, 9):
            os.abort()
        if number == 6:
            raise ValueError("six")
    print("{}")

for ended in run(cut(["a"], first=0, cases=10, size=5), work, workers=1, scratch=pathlib.Path(sys.argv[2])):
    print(ended.piece.first, ended.number, ended.status, len(ended.lines), "six" in ended.errors)
"""


def test_another_process_continues_after_a_case_that_killed_its_process(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _DYING, Path(__file__).parent, tmp_path]
    ran = subprocess.run(words, capture_output=True, check=True, text=True)
    told = [line.split() for line in ran.stdout.splitlines()]
    assert told == [
        ["0", "3", "-6", "0", "False"],
        ["4", "4", "0", "1", "False"],
        ["5", "6", "1", "0", "True"],
        ["7", "9", "-6", "0", "False"],
    ]
    assert not list(tmp_path.iterdir())
