"""The terminal: all text printed passes through `matinee.errors.text`, and a closed stdout breaks nothing."""

import contextlib
import errno
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from matinee.errors import ConfigError, MatineeError
from matinee.errors.log_filter import OneLine
from matinee.errors.text import json_line, shown

if TYPE_CHECKING:
    from matinee.cli.verbs import Outcome

_LINE = 8_000  # characters; a line that is longer is nobody's to read


class UnheardError(Exception):
    """stdout can't be written, for the reason that is this error's cause."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: ends what is under way as Ctrl-C does."""

    status = 128 + signal.SIGTERM
    message = "Ended by SIGTERM. What was finished is kept: the same command goes on from there."


@contextlib.contextmanager
def attended() -> Iterator[None]:
    """While a verb runs: SIGTERM is an exception, and after it nothing is left that can fail when Python flushes."""
    _open_what_is_closed()
    listens = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if listens:
        signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                _silence(stream)
        if listens:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def leave_to_the_system() -> None:
    """From here on Ctrl-C ends the process at once: the verb is done, a traceback of Python's exit tells nothing."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def tell(outcome: "Outcome", *, as_json: bool) -> None:
    """Say what a verb has found, on stdout, or on stderr where stdout holds the verb's own output.

    Raises UnheardError when stdout can't be written.
    """
    lines = [outcome.text] if isinstance(outcome.text, str) else outcome.text
    if as_json:
        _say(json_line(outcome.facts, _encoding(sys.stdout)))
    elif outcome.aside:
        complain(*(shown(line, _LINE) for line in lines))
    else:
        _say(*(shown(line, _LINE) for line in lines))


def tell_failure(error: Exception, *, verbose: bool, as_json: bool) -> int:
    """Say in one paragraph why a verb failed; returns the exit status. Raises UnheardError as `tell` does."""
    if not isinstance(error, MatineeError) and _is_nowhere():
        error = ConfigError(
            "The current folder is not there any more, so paths have no place to start from. Go to another folder and "
            "run the same command again."
        )
    if isinstance(error, MatineeError):
        message, kind, status = str(error), error.kind, error.exit_status
    else:
        message, kind, status = _explain(error), type(error).__name__, 1
    if verbose:
        complain(*(shown(line, _LINE) for line in "".join(traceback.format_exception(error)).splitlines()))
    complain(f"matinee: {shown(message, _LINE)}")
    if as_json:
        _say(json_line({"error": message, "kind": kind}, _encoding(sys.stdout)))
    return status


def _is_nowhere() -> bool:
    try:
        return not os.getcwd()  # noqa: PTH109 - Path.cwd is the same call
    except OSError:
        return True


def _explain(error: Exception) -> str:
    """What to say of an error that none of ours is."""
    if isinstance(error, ModuleNotFoundError):
        return (
            f"This needs {error.name}, which is not installed: matinee alone asks and keeps releases. "
            "For the pipeline install 'matinee[pipeline]'."
        )
    if isinstance(error, RuntimeError) and "cannot cache function" in str(error):  # numba's words
        return (
            "There is no place for compiled code: this user can write neither where matinee is installed nor in a home "
            "folder. Set NUMBA_CACHE_DIR to a folder that this user alone can write, and run the same command again."
        )
    return f"Unexpected {type(error).__name__}: {error}. Run again with --verbose to see where it happened."


def tell_unheard(error: UnheardError) -> int:
    """Say that stdout could not be written, but not to who closed it on purpose, as `| head` does."""
    cause = error.__cause__
    if not isinstance(cause, BrokenPipeError):
        said = getattr(cause, "strerror", None) or cause
        complain(
            f"matinee: The output could not be written to stdout: {said}. What the command did stays done; "
            "look at what stdout was redirected to."
        )
    return 1


def show_help(text: str) -> None:
    """Print help, which has lines of its own. Raises UnheardError as `tell` does."""
    _say(*text.rstrip("\n").split("\n"))


def complain(*lines: str) -> None:
    """Write lines to stderr; where that can't be written, there is nobody to tell."""
    with contextlib.suppress(UnheardError):
        _write(sys.stderr, lines)


def _say(*lines: str) -> None:
    _write(sys.stdout, lines)


def _write(stream: TextIO | None, lines: tuple[str, ...]) -> None:
    if stream is None:
        return
    encoding = _encoding(stream)
    text = "".join(f"{line}\n" for line in lines).encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError) as error:  # ValueError: closed within this process
        _silence(stream)
        raise UnheardError from error


def _encoding(stream: TextIO | None) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _silence(stream: TextIO) -> None:
    """Let what is written to a broken stream from now on vanish, or Python complains about it when it exits."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def _open_what_is_closed() -> None:
    """Open /dev/null where stdin, stdout or stderr was closed: else the next file that is opened takes its place."""
    for handle in (0, 1, 2):
        try:
            os.fstat(handle)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for good


def _end(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


class _Terminal(logging.Handler):
    """Writes to what stderr is when a line comes."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.level > logging.DEBUG:  # tracebacks come with --verbose
            record = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None})
        complain(*(shown(line, _LINE) for line in self.format(record).splitlines()))


def log_to_terminal(*, verbose: bool, quiet: bool) -> None:
    """Show the library's lines; handlers of others, as Prefect's that takes them to the run's log, stay."""
    handler = _Terminal()
    handler.addFilter(OneLine())
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", datefmt="%H:%M:%S"))
    handler.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    logger = logging.getLogger("matinee")
    others = [each for each in logger.handlers if not isinstance(each, _Terminal)]
    logger.handlers[:] = [*others, handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
