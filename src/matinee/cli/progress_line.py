"""Progress on stderr: one line in place on a terminal, and a plain line every half minute elsewhere.

What is printed meanwhile is printed above the line. When the verb ends, however it ends, the line is gone.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, TextIO

from matinee.cli.terminal import columns, is_terminal
from matinee.store import progress
from matinee.store.progress import Amount, Work, watched
from matinee.store.progress_shown import Pace, describe, looking

_LINE_SECONDS: Final = 0.2
_PLAIN_SECONDS: Final = 30.0
_PATIENCE_SECONDS: Final = 1.0  # work that takes less is not shown on a terminal
_ERASE: Final = "\r\x1b[K"
_BARS: Final = "━─", "#-"


@contextlib.contextmanager
def showing(*, quiet: bool, plain: bool) -> Iterator[None]:
    """Show on stderr what the steps of the block do.

    Args:
        quiet: Whether to show nothing.
        plain: Whether to print plain lines on a terminal too, because others write to it as well.
    """
    stream = sys.stderr
    if quiet or stream is None:
        yield
        return
    with watched(Work()) as work:
        if plain or not is_terminal(stream):
            with looking(work, _Plain(stream, work), every_seconds=_PLAIN_SECONDS):
                yield
            return
        line = _Line(stream, work)
        with line.kept_below(), looking(work, line, every_seconds=_LINE_SECONDS):
            yield


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Show nothing in the block: stdout gets the output of the verb itself, and may be the same terminal or a pager."""
    progress.begin("")
    if isinstance(sys.stderr, _Above):
        sys.stderr.write("")  # the line is erased at once
    with watched(Work()):
        yield


class _Plain:
    """Prints a line per call."""

    def __init__(self, stream: TextIO, work: Work) -> None:
        self._stream, self._work, self._pace = stream, work, Pace()

    def __call__(self, amount: Amount, at: float) -> None:
        self._pace.see(amount, at)
        if text := describe(amount, self._pace, heading=self._work.heading, at=at):
            _put(self._stream, f"{time.strftime('%H:%M:%S')}  {text}\n")


class _Line:
    """One line at the bottom, which is drawn again where it is."""

    def __init__(self, stream: TextIO, work: Work) -> None:
        self._stream, self._work, self._pace = stream, work, Pace()
        self._lock = threading.RLock()
        self._drawn = ""
        self._at_start = True  # of a line: else somebody has begun one, such as a question
        self._bars = next((bars for bars in _BARS if _can_show(stream, bars)), "")

    def __call__(self, amount: Amount, at: float) -> None:
        """Draw the line, if this process is in the foreground."""
        self._pace.see(amount, at)
        if at - amount.began < _PATIENCE_SECONDS and not self._drawn:
            return
        width = columns(self._stream) - 1
        heading = self._work.heading
        text = describe(amount, self._pace, heading=heading, width=width, at=at, bars=self._bars)
        with self._lock:
            if self._at_start and text != self._drawn and _is_in_foreground(self._stream):
                self._drawn = text
                _put(self._stream, f"\r{text}\x1b[K" if text else _ERASE)

    @contextlib.contextmanager
    def kept_below(self) -> Iterator[None]:
        """While the block runs, what is written to stdout and stderr is written above the line."""
        before = sys.stdout, sys.stderr
        sys.stderr = _Above(sys.stderr, self)
        if sys.stdout is not None and is_terminal(sys.stdout):
            sys.stdout = _Above(sys.stdout, self)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
            self.erase()

    @contextlib.contextmanager
    def erased(self, text: str) -> Iterator[None]:
        """The place to write a text: the line is erased before, and drawn again once the text has ended a line."""
        with self._lock:
            self.erase()
            yield
            if text:
                self._at_start = text.endswith("\n")

    def erase(self) -> None:
        """Erase the line, if it is drawn."""
        with self._lock:
            if self._drawn:
                _put(self._stream, _ERASE)
            self._drawn = ""


class _Above:
    """A stream of a terminal. It passes everything on; a text goes above the line."""

    def __init__(self, stream: TextIO, line: _Line) -> None:
        self._stream, self._line = stream, line

    def write(self, text: str) -> int:
        """Write a text above the line."""
        with self._line.erased(text):
            return self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts above the line."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _put(stream: TextIO, text: str) -> None:
    """Write a text; what can't be written is lost."""
    with contextlib.suppress(OSError, ValueError):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def _can_show(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding)
    except (UnicodeEncodeError, LookupError, TypeError):
        return False
    return True


def _is_in_foreground(stream: TextIO) -> bool:
    """Whether this process may write to its terminal: a process in the background would write over the shell's line."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True
