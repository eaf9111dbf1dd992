"""A log that is cut, corrupted or written by another program: each bad line is named, and the others are read."""

import json
from collections.abc import Callable
from typing import Any

from attacks.ground import Attack, Ground

PRUNE = ["prune", "--store", "{store}", "--keep", "1"]
ROLLBACK = ["rollback", "--store", "{store}"]
RELEASES = ["releases", "--store", "{store}"]
PROMOTE = ["promote", "--store", "{store}", "v0001"]
DOCTOR = ["doctor", "--store", "{store}"]
AT = "2026-01-01T00:00:00+00:00"


def _lines(ground: Ground) -> list[bytes]:
    return (ground.store / "log.jsonl").read_bytes().splitlines(keepends=True)


def _append(line: bytes | dict[str, Any]) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        data = line if isinstance(line, bytes) else json.dumps(line).encode()
        with (ground.store / "log.jsonl").open("ab") as out:
            out.write(data + b"\n")

    return prepare


def _cut(ground: Ground) -> None:
    path = ground.store / "log.jsonl"
    path.write_bytes(path.read_bytes()[:-20])


def _as_folder(ground: Ground) -> None:
    path = ground.store / "log.jsonl"
    path.unlink()
    path.mkdir()


def _last_is(action: str, version: str) -> Callable[[Ground], None]:
    def check(ground: Ground) -> None:
        told = json.loads(_lines(ground)[-1])
        assert (told["action"], told["version"]) == (action, version)

    return check


def _move(action: str, version: Any, before: Any, **more: Any) -> dict[str, Any]:
    return {"at": AT, "action": action, "by": "x", "version": version, "before": before} | more


UNDONE = {"keeps_store": False, "check": _last_is("rollback", "v0001")}

ATTACKS = [
    Attack(
        "rollback with a log that was cut", ROLLBACK, 0, _cut, ["v0001 is the champion", "line 2"], **UNDONE
    ),
    Attack("rollback with a line of zeros", ROLLBACK, 0, _append(b"\0" * 4096), ["line 3"], **UNDONE),
    Attack(
        "rollback with a line that starts with a byte order mark",
        ROLLBACK,
        0,
        _append(b"\xef\xbb\xbf{}"),
        ["line 3: it starts with a byte order mark"],
        **UNDONE,
    ),
    Attack(
        "releases with a hold of a path",
        RELEASES,
        0,
        _append({"at": AT, "action": "hold", "candidate": "../../foreign", "evaluation": "e", "reason": "r"}),
        ["line 3"],
    ),
    Attack(
        "promote with a version of the log that leads out",
        PROMOTE,
        0,
        _append(_move("publish", "../../foreign", "v0002")),
        ["v0001 is the champion"],
        keeps_store=False,
        check=_last_is("promote", "v0001"),
    ),
    Attack(
        "rollback with a log that is a folder", ROLLBACK, 1, _as_folder, ["log.jsonl", "not a plain file"]
    ),
    Attack("doctor sees a line that can't be read", DOCTOR, 0, _append(b"x"), ["warn  log", "line 3"]),
    Attack("doctor sees a log that is a folder", DOCTOR, 1, _as_folder, ["fail  log", "backup"]),
]
