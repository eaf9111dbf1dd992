"""Progress: what steps say of themselves, how it is worded, and the line on a terminal."""

import contextlib
import io
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from matinee.cli import progress_line
from matinee.cli.progress_line import showing
from matinee.cli.terminal import columns
from matinee.store import progress
from matinee.store.progress import Amount, Progress, Work, watched
from matinee.store.progress_shown import Pace, clock, describe, looking


class Terminal(io.StringIO):
    """A terminal that remembers what was written."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """The lines as a person sees them."""
        lines, at = [""], 0
        for piece in re.findall(r"\x1b\[K|[\r\n]|[^\x1b\r\n]+", self.getvalue()):
            if piece == "\x1b[K":
                lines[-1] = lines[-1][:at]
            elif piece in "\r\n":
                lines += [""] * (piece == "\n")
                at = 0
            else:
                lines[-1] = lines[-1][:at] + piece + lines[-1][at + len(piece) :]
                at += len(piece)
        return lines


def _amount(
    done: float, total: float | None = 100, unit: Any = "users", what: str = "making lists"
) -> Amount:
    return Amount(what, done, total, unit, "", 0.0)


def _paced(amount: Amount, *, seconds: float = 10) -> Pace:
    pace = Pace()
    pace.see(Amount(amount.what, 0, amount.total, amount.unit, "", 0.0), 0.0)
    pace.see(amount, seconds)
    return pace


def test_a_step_that_nobody_watches_says_nothing_and_fails_at_nothing(tmp_path: Path) -> None:
    progress.begin("reading", total=1, unit="rows")
    progress.advance(5)
    progress.reach(7)
    progress.set_heading("trial")
    with (tmp_path / "file").open("wb+") as file:
        progress.follow(file, 9)
    assert progress.watching() is None


def test_the_position_of_a_followed_file_is_what_is_done_of_it(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_bytes(bytes(100))
    with watched(Work()) as work:
        progress.begin("checking", unit="bytes")
        with (tmp_path / "ratings.csv").open("rb", buffering=0) as head:
            progress.follow(head, 100)  # without a total, only heads are read
            head.read(50)
            assert work.now().done == 0
        progress.begin("reading", total=200, unit="bytes")
        for before in (0, 100):
            with (tmp_path / "ratings.csv").open("rb") as file:
                progress.follow(file, 100)
                file.raw.read(30)
                assert work.now().done == before + 30
        assert work.now().done == 200  # a closed file has been read
        progress.reach(150)
        assert work.now().share == 0.75


def test_threads_of_a_context_add_to_the_same_work() -> None:
    with watched(Work()) as work:
        progress.begin("ranking", total=8000)
        threads = [
            threading.Thread(
                target=copy_context().run, args=(lambda: [progress.advance() for _ in range(1000)],)
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert work.now().done == 8000
    assert progress.watching() is None


def test_a_part_is_shown_unless_the_whole_is_known() -> None:
    with watched(Work()) as work:
        for total in (10, None):
            progress.begin("temporal holdout", total=total)
            progress.part("iterations", 3, 20)
            assert work.now().facts == ("" if total else "iterations 3 of 20")


def test_a_point_of_a_fit_goes_over_all_epochs() -> None:
    with watched(Work()) as work:
        known: dict[str, Any] = {"best_rmse": None, "seconds_left": 1.0, "rows": 100, "epochs": 4}
        progress.report(
            Progress("fit", 2, rows_done=50, rows_per_second=9.0, train_rmse=0.9, valid_rmse=None, **known)
        )
        now = work.now()
        assert (now.what, now.done, now.total, now.facts) == ("fit 2/4", 150, 400, "train RMSE 0.9000")
        progress.report(
            Progress("fit", 3, rows_done=1, rows_per_second=9.0, train_rmse=0.8, valid_rmse=0.9, **known)
        )
        assert work.now().began == now.began  # one piece of work
        assert work.now().facts == "train RMSE 0.8000  valid RMSE 0.9000"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (_amount(40), "making lists   40%  40 of 100 users  4 users/s  0:15 left"),
        (_amount(1.5e9, 3e9, "bytes"), "making lists   50%  1.50 of 3.00 GB  150 MB/s  0:10 left"),
        (_amount(0.5, 1, ""), "making lists   50%  0:10 left"),
        (_amount(40, None), "making lists  40 users  0:10"),
        (_amount(100), "making lists  100 of 100 users  0:10"),  # something else is done with them
        (_amount(0), "making lists    0%"),
        (_amount(5, what=""), ""),
    ],
)
def test_progress_in_words(amount: Amount, text: str) -> None:
    assert describe(amount, _paced(amount), at=10.0) == text


def test_a_narrow_terminal_gets_the_most_important_parts() -> None:
    amount = Amount("fit 3/20", 4.5e6, 2e7, "ratings", "train RMSE 0.8123", 0.0)
    lines = {
        width: describe(amount, _paced(amount), heading="trial 3", width=width, at=10.0, bars="#-")
        for width in (124, 79, 39, 19, 5)
    }
    assert all(len(line) <= width for width, line in lines.items())
    assert lines[124].startswith("trial 3: fit 3/20  ####----------------   22%")
    assert lines[124].endswith("4.50 of 20.0 M ratings  450 k ratings/s  train RMSE 0.8123  0:34 left")
    assert lines[79] == "trial 3: fit 3/20   22%  450 k ratings/s  train RMSE 0.8123  0:34 left"
    assert lines[39] == "trial 3: fit 3/20   22%  0:34 left"
    assert lines[19] == "trial 3: fit 3/20"


def test_a_title_with_control_characters_is_escaped() -> None:
    assert "\x1b" not in describe(_amount(1, what="v1\x1b[31m"), _paced(_amount(1)), at=10.0)


def test_a_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    for second in range(100):
        pace.see(_amount(min(second, 50) + max(second - 50, 0) * 10, 1000), float(second))
    assert pace.per_second() == pytest.approx(10)
    pace.see(Amount("ranking", 1, 10, "", "", 99.5), 100.0)  # another piece of work
    assert pace.per_second() is None


def test_a_clock_has_hours_only_if_needed() -> None:
    assert [clock(seconds) for seconds in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    return Terminal()


@contextlib.contextmanager
def _at(terminal: Terminal) -> Iterator[None]:
    with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
        try:
            yield
        finally:
            assert sys.stdout is sys.stderr is terminal


def _until(happened: Callable[[], bool]) -> None:
    ended = threading.Event()
    for _ in range(500):
        if happened():
            return
        ended.wait(0.005)
    raise AssertionError


def test_lines_are_printed_above_the_line_and_nothing_of_it_is_left(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_line, "_LINE_SECONDS", 0.005)
    monkeypatch.setattr(progress_line, "_PATIENCE_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt), _at(terminal), showing(quiet=False, plain=False):
        progress.begin("making lists", total=100, unit="users")
        _until(lambda: terminal.screen()[-1].startswith("making lists"))
        print("a warning of a library", file=sys.stderr)
        print("half ", end="")
        half = len(terminal.getvalue())
        threading.Event().wait(0.02)
        assert len(terminal.getvalue()) == half  # a line that somebody has begun stays
        print("a line")
        _until(lambda: terminal.screen()[-1].startswith("making lists"))
        raise KeyboardInterrupt
    assert terminal.screen() == ["a warning of a library", "half a line", ""]
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_the_line_is_hidden_while_a_verb_writes_to_stdout_itself(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_line, "_LINE_SECONDS", 0.005)
    monkeypatch.setattr(progress_line, "_PATIENCE_SECONDS", 0.0)
    with _at(terminal), showing(quiet=False, plain=False):
        progress.begin("loading", total=100)
        _until(lambda: terminal.screen()[-1].startswith("loading"))
        with progress_line.hidden():
            assert terminal.screen() == [""]
            progress.begin("predicting", total=100)
            threading.Event().wait(0.02)
            assert terminal.screen() == [""]


@pytest.mark.parametrize("name", ["dumb", ""])
def test_without_a_real_terminal_there_are_plain_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TERM", name)
    monkeypatch.setattr(progress_line, "_PLAIN_SECONDS", 0.005)
    with _at(terminal), showing(quiet=False, plain=False):
        progress.begin("making lists")
        _until(lambda: terminal.getvalue().count("\n") > 1)
    assert terminal.getvalue().splitlines()[0][8:].startswith("  making lists  0:00")
    assert "\r" not in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()


def test_quiet_shows_nothing(terminal: Terminal) -> None:
    with _at(terminal), showing(quiet=True, plain=False):
        assert progress.watching() is None
    assert terminal.getvalue() == ""


def test_the_width_is_that_of_columns(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert columns(terminal) == 60
    monkeypatch.setenv("COLUMNS", "wide")
    assert columns(terminal) == 80


def test_an_error_of_the_thread_that_shows_progress_does_not_reach_the_work() -> None:
    def show(amount: Amount, at: float) -> None:
        raise OSError

    with looking(Work(), show, every_seconds=0.001):
        threading.Event().wait(0.01)
