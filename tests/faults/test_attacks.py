"""The table of attacks: each is one call that must end with the right status and change no foreign file."""

import importlib
import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from matinee.cli.main import main
from matinee.settings.parse import read_settings
from matinee.store import Store

sys.path.insert(0, str(Path(__file__).parent))
from attacks.ground import Attack, Ground, digests

TABLES = sorted(path.stem for path in Path(__file__).with_name("attacks").glob("attacks_*.py"))
ATTACKS = [
    pytest.param(
        attack,
        id=f"{table.removeprefix('attacks_')}: {attack.name}",
    )
    for table in TABLES
    for attack in importlib.import_module(f"attacks.{table}").ATTACKS
]


@pytest.fixture(scope="session")
def template(
    sample: Path, steps: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A store with two releases, and its sources."""
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(sample, folder / "sources")
    store = Store.open(folder / "store")
    for seed in (0, 1):
        settings = read_settings(
            assignments=[f"train.seed={seed}", "train.epochs=2", "gate.tolerance=1", "model.embedding_size=4"]
        )
        steps(store, folder / "sources" / "ratings.csv", folder / "sources" / "movie_titles.csv", settings)
    assert sorted(path.name for path in (store.root / "releases").iterdir()) == ["v0001", "v0002"]
    yield folder


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_ends_as_the_table_expects(
    attack: Attack,
    template: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ground = Ground(tmp_path)
    ground.fill(template)
    attack.prepare(ground)
    foreign, store = digests(ground.foreign), digests(ground.store)
    logger = logging.getLogger("matinee")
    handlers = logger.handlers[:]  # including Prefect's, if another test has imported it
    try:
        with monkeypatch.context() as patched:
            for name, value in attack.variables(ground).items():
                patched.setenv(name, value)
            for name, meaning in attack.patches.items():
                patched.setattr(name, meaning)
            status = main(attack.call(ground))
    finally:
        logger.handlers[:] = handlers
    out, err = capfd.readouterr()
    assert status == attack.status, out + err
    for text in attack.says:
        assert text in out + err
    for text in ("Traceback", "Unexpected", *attack.hides):
        assert text not in out + err
    assert (out + err).replace("\n", " ").replace("\t", " ").isprintable(), "what a terminal would obey"
    if "--json" in attack.words and "sys.stdout" not in attack.patches:
        assert json.loads(out.splitlines()[-1]) is not None
    assert digests(ground.foreign) == foreign, "a foreign file was changed"
    if attack.keeps_store:
        assert {**digests(ground.store), "log.jsonl": ""} == {**store, "log.jsonl": ""}
    attack.check(ground)


def test_the_table_has_enough_attacks() -> None:
    assert len(ATTACKS) >= 300
