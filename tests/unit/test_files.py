"""Files are replaced atomically, with the mode of the umask, and temporaries of killed writers are removed."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from matinee.release.weights import halve_weights, write_weights
from matinee.store import files
from matinee.store.files import (
    NotPlainError,
    clear_temporaries,
    copy_tree,
    open_plain,
    read_plain,
    replacing,
    write_json,
)

DEAD = 2**22 + 1  # above the largest process id of Linux


@pytest.fixture
def umask_002() -> object:
    before = os.umask(0o002)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask_002")
def test_modes_follow_the_umask_for_every_writer(tmp_path: Path) -> None:
    weights, half, told = (tmp_path / name for name in ("weights", "half", "told.json"))
    write_weights(weights, {"factors": np.ones((2, 2), np.float32)})
    halve_weights(weights, half)
    write_json(told, {})
    weights.chmod(0o600)  # as an earlier version left it
    copy_tree(tmp_path, tmp_path.with_name("copy"))
    copied = tmp_path.with_name("copy") / "weights"
    assert [_mode(path) for path in (half, told, copied)] == [0o664] * 3


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_json(tmp_path / "told.json", {"old": True})
    before = (tmp_path / "told.json").read_text()
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "told.json", {"value": float("nan")})
    with pytest.raises(OSError, match="full"), replacing(tmp_path / "told.json") as fresh:
        fresh.write_text("half")
        raise OSError("full")
    assert [path.name for path in tmp_path.iterdir()] == ["told.json"]
    assert (tmp_path / "told.json").read_text() == before


def test_only_temporaries_of_dead_writers_are_removed(tmp_path: Path) -> None:
    stays = [
        f".other.json.{DEAD}",
        f".told.json.{os.getppid()}",
        ".told.json.old",
        ".told.json.0",
        "told.json.5",
    ]
    for name in [*stays, f".told.json.{DEAD}"]:
        (tmp_path / name).write_text("")
    (tmp_path / f".told.json.{DEAD + 1}").symlink_to("target")
    clear_temporaries(tmp_path, "told.json")
    assert {path.name for path in tmp_path.iterdir()} == {*stays, f".told.json.{DEAD + 1}"}


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_numbers", iter([7, 8]))
    (tmp_path / "victim").write_text("mine")
    planted = tmp_path / f".told.json.{os.getpid()}_7"
    planted.symlink_to(tmp_path / "victim")
    write_json(tmp_path / "told.json", {})
    assert planted.is_symlink()
    assert (tmp_path / "victim").read_text() == "mine"


def test_opening_a_pipe_or_a_device_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "plain").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("plain")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(NotPlainError):
            read_plain(path, limit=5)
    with pytest.raises(OSError, match="symbolic links"):
        open_plain(tmp_path / "link", follow_links=False)
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_plain(tmp_path / "plain", limit=4)
    assert read_plain(tmp_path / "link", limit=5) == b"12345"


def test_the_longest_possible_name_is_written(tmp_path: Path) -> None:
    write_json(tmp_path / ("x" * 255), {})
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]
