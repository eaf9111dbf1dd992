"""Output of the program: control characters, outputs that are not plain files, and streams without a reader."""

import errno
import io
import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attacks.ground import Attack, Ground

from matinee.release.suggestion import Suggestion

PREDICT = ["predict", "--store", "{store}", "--pairs", "{folder}/pairs.csv", "--out"]
LISTS = ["recommend", "--store", "{store}", "--user", "6", "--out"]
SIMILAR = ["similar", "--store", "{store}", "--movie", "8"]
RELEASES = ["releases", "--store", "{store}"]
ESCAPE = "\x1b]0;owned\x07\x9b31m"
SHOWN = r"\x1b]0;owned\x07\x9b31m"
FORGED = "gone\nmatinee: all is well\u202e"


class _Stream(io.StringIO):
    """A stream that fails, or that accepts only ASCII and writes to stdout."""

    def __init__(self, fault: OSError | None, encoding: str = "utf-8") -> None:
        super().__init__()
        self._fault, self._encoding = fault, encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def write(self, text: str) -> int:
        if self._fault:
            raise self._fault
        return os.write(1, text.encode(self._encoding))


FULL = _Stream(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
GONE = _Stream(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))


def _found(*_: Any) -> list[Suggestion]:
    return [Suggestion(9, f"Amélie{ESCAPE}{FORGED}", 0.5)]


def _raise(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def _terminate(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _pairs(text: str = "userID,movieID\n6,8\n") -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        (ground.folder / "pairs.csv").write_text(text)

    return prepare


def _with(*steps: Callable[[Ground], Any]) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        for step in (_pairs(), *steps):
            step(ground)

    return prepare


def _out(ground: Ground) -> Path:
    return ground.folder / "out"


def _link(target: str) -> Callable[[Ground], None]:
    return lambda ground: _out(ground).symlink_to(target.format(folder=ground.folder))


def _fifo(ground: Ground) -> None:
    os.mkfifo(_out(ground))


def _stays(kind: Callable[[int], bool], path: str = "out") -> Callable[[Ground], None]:
    def check(ground: Ground) -> None:
        assert kind((ground.folder / path).lstat().st_mode)

    return check


def _old_stays(ground: Ground) -> None:
    assert _out(ground).read_text() == "old"
    assert not [path.name for path in ground.folder.iterdir() if path.name.startswith(".out")]


def _nothing_is_made(ground: Ground) -> None:
    assert {path.name for path in ground.folder.iterdir()} <= {"store", "sources", "foreign", "pairs.csv"}


def _held(ground: Ground) -> None:
    line = {"action": "hold", "at": "2026-01-01T00:00:00+00:00", "reason": f"no{ESCAPE}{FORGED}"}
    line |= dict.fromkeys(("candidate", "evaluation"), "0" * 20)
    candidate = ground.store / "candidates" / ("0" * 20)
    candidate.mkdir()
    (candidate / "manifest.json").write_text("{}")
    with (ground.store / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")


def _kept(ground: Ground) -> None:
    lines = (ground.folder / "out").read_text().splitlines()
    assert [line.rpartition(",")[0] for line in lines] == ["userID,movieID,note", "6,8,=cmd()"]


NO_SPACE = _raise(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def _predict(name: str, out: str, status: int, *steps: Callable[[Ground], Any], **more: Any) -> Attack:
    return Attack(f"predictions into {name}", [*PREDICT, out], status, prepare=_with(*steps), **more)


OUTPUTS = [
    _predict("a stdout that was closed", "-", 2, says=["stdout is closed"], patches={"sys.__stdout__": None}),
    Attack("a current folder that is gone", ["ingest", "--ratings", "a", "--titles", "b", "--store", "c"], 2,
        patches={"os.getcwd": _raise(FileNotFoundError(2, "gone"))}, says=["The current folder has been removed"]),
    Attack("no place for compiled code", ["releases", "--store", "{store}"], 1, says=["NUMBA_CACHE_DIR"],
        patches={"matinee.registry.Registry.versions": _raise(RuntimeError("cannot cache function 'f': no locator"))}),
    _predict("a folder", "{folder}/out", 2, lambda ground: _out(ground).mkdir(), says=["is a folder"]),
    _predict("a pipe without reader", "{folder}/out", 2, _fifo, check=_stays(stat.S_ISFIFO), says=["has no reader"]),
    _predict("a device", "/dev/null", 0, check=_stays(stat.S_ISCHR, "/dev/null")),
    _predict("a full disk", "{folder}/out", 1, lambda ground: _out(ground).write_text("old"),
        patches={"matinee.store.output.os.fsync": NO_SPACE}, check=_old_stays, says=["/out could not be written"],
        hides=["pairs.csv"]),
    _predict("a link to nowhere", "{folder}/out", 2, _link("{folder}/none/real.csv"), says=["/none does not exist"]),
    _predict("a folder that only its owner may write", "{folder}/out", 2, check=_nothing_is_made,
        patches={"matinee.store.output.os.access": lambda *_: False}, says=["Permission denied"]),
    _predict("a folder that is a file", "{ratings}/out.csv", 2, says=["can't be written"]),
    _predict("stdout", "-", 0, check=_nothing_is_made, says=["userID,movieID,prediction\n6,8,", "1 predictions"]),
    Attack("predictions and JSON both on stdout", [*PREDICT, "-", "--json"], 2, prepare=_pairs(), says=["--json"]),
    Attack("a formula in a column of the pairs stays what it was", [*PREDICT, "{folder}/out"], 0,
        prepare=_pairs("userID,movieID,note\n6,8,=cmd()\n"), check=_kept),
    Attack("lists into a pipe", [*LISTS, "{folder}/out"], 2, prepare=_fifo, check=_stays(stat.S_ISFIFO)),
    Attack("lists into a device", [*LISTS, "/dev/null"], 2, check=_stays(stat.S_ISCHR, "/dev/null")),
    Attack("lists on stdout", [*LISTS, "-"], 2, check=_nothing_is_made, says=["not a stream"]),
    Attack("a report on stdout", ["report", *LISTS[1:3], "v0001", "--out", "-"], 2, check=_nothing_is_made,
        says=["not a stream"]),
    Attack("lists into a folder, for everyone", ["recommend", "--all", *LISTS[1:3], "--out", "{foreign}"], 2,
        says=["is a folder"]),
    Attack("lists onto a full disk", [*LISTS, "{folder}/out"], 1, patches={"matinee.store.output.os.fsync": NO_SPACE},
        check=_nothing_is_made, says=["/out could not be written"]),
]  # fmt: skip

TEXT = [
    Attack("a title with an escape", SIMILAR, 0, patches={"matinee.release.Release.similar": _found}, says=[SHOWN]),
    Attack("a title with an accent on an ASCII terminal", SIMILAR, 0,
        patches={"matinee.release.Release.similar": _found, "sys.stdout": _Stream(None, "ascii")}, says=[r"Am\xe9lie"]),
    Attack("a title with an accent as JSON on an ASCII terminal", [*SIMILAR, "--json"], 0,
        patches={"matinee.release.Release.similar": _found, "sys.stdout": _Stream(None, "ascii")},
        says=[r"Am\u00e9lie"]),
    Attack("a reason in the log that forges a line", RELEASES, 0, prepare=_held, says=[SHOWN],
        hides=["\nmatinee: all is well"]),
    Attack("a file name with an escape", ["ingest", "--ratings", f"{{folder}}/{ESCAPE}.csv", *SIMILAR[1:3],
        "--titles", "{titles}"], 2, says=[SHOWN]),
    Attack("a file name that forges a line", ["predict", *PREDICT[1:3], "--pairs", f"{{folder}}/{FORGED}",
        "--out", "{folder}/out"], 2, says=[r"gone\nmatinee"], hides=["\nmatinee: all is well"]),
    Attack("a file name that is not UTF-8, as JSON", ["predict", *PREDICT[1:3], "--pairs", "{folder}/\udcff",
        "--out", "{folder}/out", "--json"], 2, says=["udcff"]),
    Attack("a column name with an escape", [*PREDICT, "{folder}/out"], 3,
        prepare=_pairs(f"user{ESCAPE},movie\n6,8\n"), says=["pairs.csv"], hides=["Errno"]),
    Attack("an id with an escape", [*PREDICT, "{folder}/out"], 3, prepare=_pairs(f"userID,movieID\n{ESCAPE},8\n"),
        says=["line 2", r"\x1b"]),
    Attack("an id of 100 kilobytes", [*PREDICT, "{folder}/out"], 3,
        prepare=_pairs("userID,movieID\n" + "x" * 99_999 + ",8"), says=["line 2", "characters)"]),
    Attack("a version with an escape", ["promote", *RELEASES[1:], ESCAPE], 2, says=[SHOWN]),
    Attack("an option with an escape", [*RELEASES, f"--{ESCAPE}"], 2, says=[SHOWN]),
    Attack("a verb that turns the reading direction", ["\u202eesaeler"], 2, says=[r"\u202e"]),
    Attack("a setting with an escape", ["evaluate", *RELEASES[1:], "--test", "{ratings}", "--set", f"a.{ESCAPE}=1"], 2,
        says=[r"\x1b"]),
]  # fmt: skip

STREAMS = [
    Attack("stdout on a full disk", RELEASES, 1, patches={"sys.stdout": FULL}, says=["stdout: No space left"]),
    Attack("help on a full disk", ["releases", "--help"], 1, patches={"sys.stdout": FULL}, says=["No space left"]),
    Attack("a failure as JSON on a full disk", ["releases", "--store", "{folder}/none", "--json"], 1,
        patches={"sys.stdout": FULL}, says=["/none", "No space left"]),
    Attack("stdout is a pipe that nobody reads", RELEASES, 1, patches={"sys.stdout": GONE}, hides=["matinee:"]),
    Attack("stdout is closed", RELEASES, 0, patches={"sys.stdout": None}),
    Attack("stderr on a full disk while it logs", ["prune", *RELEASES[1:], "--verbose"], 0,
        patches={"sys.stderr": FULL}, says=["kept"], keeps_store=False),
    Attack("stderr is closed", RELEASES, 0, patches={"sys.stderr": None}, says=["v0002"]),
    Attack("Ctrl-C while the program is imported", [*RELEASES, "--json"], 130,
        patches={"matinee.cli.terminal.attended": _raise(KeyboardInterrupt())}, says=["Stopped.", '"kind"']),
    Attack("Ctrl-C while a verb runs", RELEASES, 130,
        patches={"matinee.cli.verbs.Registry.open": _raise(KeyboardInterrupt())}, says=["Stopped."]),
    Attack("SIGTERM while a verb runs", RELEASES, 143, patches={"matinee.cli.verbs.Registry.open": _terminate},
        says=["Stopped by SIGTERM"]),
]  # fmt: skip

ATTACKS = [*OUTPUTS, *TEXT, *STREAMS]
