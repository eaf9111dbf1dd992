"""Folders that are nested a thousand deep, which Python's own functions give up on."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from matinee.errors import ConfigError
from matinee.ingest.inbox.drop import look
from matinee.ingest.reading.sources import find_sources
from matinee.maintenance.removal import delete_hidden
from matinee.store.folders import bytes_in, remove_tree, rename_within


def _nest(folder: Path, levels: int) -> None:
    folder.mkdir()
    place = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    handle = os.open("r.csv", os.O_CREAT | os.O_WRONLY, dir_fd=place)
    os.write(handle, b"userID,movieID,rating\n1,2,3\n")
    os.close(handle)
    os.close(place)


@pytest.mark.parametrize("levels", [1200, 2500])  # the second path is longer than the system allows
def test_deep_folders_are_measured_and_removed_and_links_in_them_are_not_followed(
    levels: int, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("Dear reader")
    _nest(tmp_path / "deep", levels)
    (tmp_path / "deep" / "d" / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "deep" / "d" / "plain").write_bytes(bytes(1000))
    assert bytes_in(tmp_path / "deep") in {1000, 1028}, "a file beyond the longest path does not count"
    remove_tree(tmp_path / "deep")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic link"):
        remove_tree(tmp_path / "link")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["letter.txt", "link", "mine"]


def test_deep_folders_do_not_stop_a_night_and_are_refused_as_sources(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "good.csv").write_text("userID,movieID,rating\n1,2,3\n")
    _nest(drop / "deep", 1200)
    try:
        dropped = look(drop, settle_seconds=0)
        assert [path.name for path in dropped.complete] == ["good.csv"]
        ((place, reason),) = dropped.odd.items()
        assert place == drop / "deep" / "/".join(["d"] * 64)
        assert "nested more than 64 folders deep" in reason
        with pytest.raises(ConfigError, match="nested more than 64 deep"):
            find_sources([drop], judge=lambda source: None)
        with pytest.raises(ConfigError, match="nested too deeply"):
            find_sources([drop / "**" / "*.csv"], judge=lambda source: None)
    finally:
        remove_tree(drop)


@pytest.mark.parametrize("change", [remove_tree, lambda path: rename_within(path, "gone")])
def test_a_folder_is_left_alone_if_a_link_has_taken_the_place_of_the_folder_around_it(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "mine" / "name").mkdir(parents=True)
    (tmp_path / "mine" / "name" / "thesis.txt").write_text("mine")
    (tmp_path / "splits").symlink_to("mine")
    with pytest.raises(OSError, match="splits"):
        change(tmp_path / "splits" / "name")
    assert (tmp_path / "mine" / "name" / "thesis.txt").read_text() == "mine"


def test_no_file_is_removed_through_a_link_that_appears_while_a_tree_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine", "splits"):
        (tmp_path / name / "tree").mkdir(parents=True)
        (tmp_path / name / "tree" / "thesis.txt").write_text(name)
    remove = shutil.rmtree

    def swap(*names: str, **how: object) -> None:
        if (tmp_path / "splits").is_dir() and not (tmp_path / "splits").is_symlink():
            (tmp_path / "splits").rename(tmp_path / "away")
            (tmp_path / "splits").symlink_to("mine")
        remove(*names, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(shutil, "rmtree", swap)
    remove_tree(tmp_path / "splits" / "tree")
    assert (tmp_path / "mine" / "tree" / "thesis.txt").read_text() == "mine"
    assert not (tmp_path / "away" / "tree").exists()


def test_a_folder_that_prune_cannot_delete_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hidden = tmp_path / "splits" / f"{'0' * 20}.pruned"
    hidden.mkdir(parents=True)
    (hidden / "train.parquet").write_text("rows")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        assert delete_hidden(tmp_path, ["splits"]) == 0
    assert f"{hidden} could not be deleted: Permission denied" in caplog.text
    assert delete_hidden(tmp_path, ["splits"]) == 4
