"""A line of the log is appended completely or not at all, and an unreadable line does not affect others."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from small_release import publish_releases

from matinee.cli.main import main
from matinee.errors import StoreError
from matinee.maintenance.doctor import examine
from matinee.maintenance.prune import prune
from matinee.registry.log import ChangeLog, Entry, confirmed


class Killed(BaseException):
    """Simulates the end of the process."""


def _die(*_: Any) -> None:
    raise Killed


@pytest.mark.parametrize("times", [1, 3])
def test_a_rollback_killed_before_the_pointer_changed_is_void(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = publish_releases(tmp_path, 3)
    with monkeypatch.context() as patch:
        patch.setattr("matinee.registry.registry.write_json", _die)
        for _ in range(times):
            with pytest.raises(Killed):
                registry.rollback()
    assert registry.champion() == "v0003"
    assert len(registry.log()) == 3 + times  # the lines remain, but they are void
    assert registry.predecessor() == "v0002"
    assert [registry.rollback(), registry.rollback()] == ["v0002", "v0001"]


@pytest.mark.parametrize("dead", ["v0001", "v0002"])
def test_a_promote_killed_before_the_pointer_changed_is_void(
    dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = publish_releases(tmp_path, 3)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("matinee.registry.registry.write_json", _die)
        registry.promote(dead)
    registry.record("hold", candidate="c", evaluation="e", reason="a line after it")
    assert registry.promote("v0001") == "v0003"
    assert (registry.rollback(), registry.rollback()) == ("v0003", "v0002")
    assert {"v0002", "v0003"} <= set(prune(tmp_path, keep=1).kept)


def _moves(*told: tuple[str | None, str]) -> list[Entry]:
    return [
        Entry(at="2026-01-01T00:00:00+00:00", action="promote", before=before, version=version)
        for before, version in told
    ]


@pytest.mark.parametrize(
    ("told", "champion", "stays"),
    [
        ([(None, "v0001")], None, []),  # the first publish was killed
        ([(None, "v0001")], "v0001", ["v0001"]),
        ([(None, "v0001"), (None, "v0001")], "v0001", ["v0001"]),  # killed, then repeated
        ([(None, "v0001"), ("v0001", "v0002"), ("v0001", "v0003")], "v0003", ["v0001", "v0003"]),
        ([(None, "v0001"), ("v0001", "v0002"), ("v0001", "v0003"), ("v0001", "v0002")], "v0001", ["v0001"]),
        (
            [(None, "v0001"), ("v0001", "v0002"), ("v0003", "v0004")],
            "v0004",
            ["v0001", "v0002", "v0004"],
        ),  # a line is lost
        (
            [(None, "v0001"), ("v0001", "v0002"), ("v0002", "v0002")],
            "v0002",
            ["v0001", "v0002", "v0002"],
        ),  # only the anchor
        ([(None, "v0001"), ("v0001", "v0002")], "v0009", ["v0001", "v0002"]),  # the last line is lost
    ],
)
def test_of_two_changes_of_the_same_champion_the_later_counts(
    told: list[tuple[str | None, str]], champion: str | None, stays: list[str]
) -> None:
    assert [entry.version for entry in confirmed(_moves(*told), champion)] == stays


def test_a_truncated_log_loses_only_its_last_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    registry = publish_releases(tmp_path, 3)
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert registry.rollback() == "v0002"
    assert [entry.version for entry in registry.log()] == ["v0001", "v0002", "v0002"]
    assert registry.next_version() == "v0004"
    assert "line 3" in caplog.text
    assert (registry.champion(), registry.predecessor()) == ("v0002", "v0001")


@pytest.mark.parametrize("fault", ["short", "full", "sync"])
def test_a_line_that_cannot_be_written_completely_is_removed(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = publish_releases(tmp_path, 2)
    before, pointer = (tmp_path / "log.jsonl").read_bytes(), (tmp_path / "champion.json").read_bytes()
    write = os.write

    def short(handle: int, data: bytes) -> int:
        return write(handle, data[:7])

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(StoreError, match=r"log\.jsonl.*No space left"):
        patch.setattr(os, "fsync" if fault == "sync" else "write", short if fault == "short" else fail)
        registry.rollback()
    assert (tmp_path / "log.jsonl").read_bytes() == before
    assert (tmp_path / "champion.json").read_bytes() == pointer
    assert registry.rollback() == "v0001"


BAD = {
    "bytes that are no UTF-8": b'{"at": "\xff"}',
    "no object": b"[1]",
    "no JSON": b"\x00" * 40,
    "nested": b'{"at": ' + b"[" * 100_000,
    "a number of 5,000 digits": b'{"at": ' + b"1" * 5000 + b"}",
    "no action": b'{"at": "2026-01-01T00:00:00+00:00"}',
    "a bad time": b'{"at": "yesterday", "action": "publish", "version": "v0001"}',
    "a time before time": b'{"at": "0001-01-01T00:00:00", "action": "publish", "version": "v0001"}',
    "a version that is a number": b'{"at": "2026-01-01T00:00:00+00:00", "action": "publish", "version": 1}',
    "a move to nowhere": b'{"at": "2026-01-01T00:00:00+00:00", "action": "rollback"}',
    "a path": b'{"at": "2026-01-01T00:00:00+00:00", "action": "publish", "version": "../../v0001"}',
    "a hold of nothing": b'{"at": "2026-01-01T00:00:00+00:00", "action": "hold"}',
}


@pytest.mark.parametrize("line", BAD.values(), ids=BAD)
def test_an_unreadable_line_is_named_once_and_skipped(
    line: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = publish_releases(tmp_path, 3)
    lines = (tmp_path / "log.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_bytes(b"".join([*lines[:2], line + b"\n", lines[2]]))
    assert main(["prune", "--store", str(tmp_path), "--keep", "1"]) == 0
    said = capsys.readouterr().err
    assert said.count("line 3") == 1
    assert "Unexpected" not in said
    found = {check.name: check for check in examine(tmp_path)}["log"]
    assert (found.status, "line 3" in found.said) == ("warn", True)
    assert registry.predecessor() == "v0002"


def test_a_version_in_an_unreadable_line_is_not_used_again(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 2)
    with (tmp_path / "log.jsonl").open("a") as out:
        out.write(json.dumps({"action": "publish", "version": "v0007"}) + "\n")
    assert registry.next_version() == "v0008"


def test_a_reason_can_contain_line_separators_and_undecodable_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "caf\udce9")
    ChangeLog(tmp_path).append("forget", reason="one\u2028two\x85three\udc80")
    (entry,) = ChangeLog(tmp_path).entries()
    assert (entry.reason, entry.by) == ("one\u2028two\x85three\udc80", "caf\udce9")


def test_versions_are_sorted_by_number_and_other_folders_are_ignored(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 1)
    for name in ("v9999", "v10000", "v0001 copy", "v0001.old", "vacation", "v²"):
        (tmp_path / "releases" / name).mkdir()
        (tmp_path / "releases" / name / "manifest.json").write_text("{}")
    assert registry.versions() == ["v0001", "v9999", "v10000"]
    assert registry.next_version() == "v10001"
