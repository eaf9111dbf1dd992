"""A few mutations of each kind of file, the same each time; `make attack` tries 10,000 of each."""

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
WHOLE_IS_REFUSED = {"ratings.csv", "ratings.zip"}  # dirty, or never read


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("fuzz")
    build(folder / "template")
    return Ground(folder / "template", folder / "ground")


@pytest.mark.parametrize("kind", KINDS)
def test_spoiled_files_are_refused_or_read_without_harm(kind: str, ground: Ground) -> None:
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
