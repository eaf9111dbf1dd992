"""The short form of the drill of failing writes; `make attack` is the long one."""

import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import drill_writes


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("writes") / "template"
    drill_writes.build(root)
    logging.disable(logging.WARNING)
    yield root
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("name", "fault", "every"),
    [("promote", "kill", 2), ("rollback", "ENOSPC", 2), ("prune", "EIO", 15), ("forget", "kill", 130)],
)
def test_a_failed_change_of_a_file_loses_nothing(
    name: str, fault: str, every: int, template: Path, tmp_path: Path
) -> None:
    command = next(command for command in drill_writes.commands(template) if command.name == name)
    seen = drill_writes.drill(command, template, tmp_path, faults=(fault,), every=every)
    assert seen[fault] >= 2


@pytest.mark.slow
def test_the_drill_of_publish_begins_with_all_other_steps_done(template: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    shutil.copytree(template, ready)
    drill_writes.finish_steps(ready)
    publish = next(command for command in drill_writes.commands(ready) if command.name == "publish")
    assert "fsync" in drill_writes.changes(publish, ready, tmp_path / "scratch")
    assert not list((ready / "store").rglob("*.partial"))
