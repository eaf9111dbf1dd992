"""Output to the terminal: all text passes `matinee.errors.text`, and a closed stdout raises no traceback."""

import contextlib
import errno
import gc
import logging
import os
import re
import signal
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from matinee.errors import ConfigError, MatineeError
from matinee.errors.log_filter import OneLine, is_result
from matinee.errors.text import json_line, shown

if TYPE_CHECKING:
    from matinee.cli.outcome import Outcome

_LINE = 8_000  # characters; longer lines are cut
_USUAL_COLUMNS = 80
_GAP = re.compile(r"(?:^| ) +")  # before a column


class StdoutError(Exception):
    """stdout can't be written; the reason is the cause of this error."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, which ends a verb as Ctrl-C does."""

    status = 128 + signal.SIGTERM
    message = "Stopped by SIGTERM. Finished steps are kept; the same command continues from there."


@contextlib.contextmanager
def attended() -> Iterator[None]:
    """While a verb runs, SIGTERM raises an exception; afterwards stdout and stderr are flushed without errors."""
    open_closed_streams()
    # numba would replace stdout and stderr to colour its errors, and write an escape code to the terminal at the end.
    os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
    handles = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if handles:
        signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                _silence(stream)
        if handles:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def leave_to_the_system() -> None:
    """Prepare the end of the process, as the verb is done.

    Ctrl-C ends the process at once from here on, since a traceback would mislead. Python does not look for garbage
    once more, which takes a second after an import of Prefect.
    """
    gc.freeze()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def report(outcome: "Outcome", *, as_json: bool, quiet: bool = False) -> None:
    """Print the outcome of a verb to stdout, or to stderr if stdout holds the output of the verb itself.

    Raises StdoutError when stdout can't be written.
    """
    lines = [outcome.text] if isinstance(outcome.text, str) else outcome.text
    if as_json:
        _print(json_line(outcome.facts, _encoding(sys.stdout)))
    elif quiet and outcome.notable is not None:
        complain(*_for_people(outcome.notable, sys.stderr))
    elif outcome.aside:
        complain(*_for_people(lines, sys.stderr))
    else:
        _print(*_for_people(lines, sys.stdout))


def report_failure(error: Exception, *, verbose: bool, as_json: bool) -> int:
    """Print in one paragraph why a verb failed; returns the exit status. Raises StdoutError as `report` does."""
    if not isinstance(error, MatineeError) and _current_folder_is_gone():
        error = ConfigError(
            "The current folder has been removed, so relative paths are undefined. Go to another folder and run the "
            "same command again."
        )
    if isinstance(error, MatineeError):
        message, kind, status = str(error), error.kind, error.exit_status
    else:
        message, kind, status = _explain(error), type(error).__name__, 1
    if verbose:
        complain(*(shown(line, _LINE) for line in "".join(traceback.format_exception(error)).splitlines()))
    complain(*_for_people([f"matinee: {message}"], sys.stderr))
    if as_json:
        _print(json_line({"error": message, "kind": kind}, _encoding(sys.stdout)))
    return status


def raise_if_stopped(error: Exception) -> None:
    """Raise KeyboardInterrupt if a library has turned one into an error of its own, as pydantic's serializers do."""
    if type(error).__name__ == "PydanticSerializationError":  # pydantic is not imported for it
        for kind in (TerminatedError, KeyboardInterrupt):
            if f"{kind.__name__}:" in str(error):
                raise kind from error


def _current_folder_is_gone() -> bool:
    try:
        return not os.getcwd()  # noqa: PTH109 - Path.cwd is the same call
    except OSError:
        return True


def _explain(error: Exception) -> str:
    """The message for an error that is not a MatineeError."""
    if isinstance(error, ModuleNotFoundError):
        return (
            f"This verb needs {error.name}, which is not installed. The base install only manages and loads releases. "
            "Install 'matinee[pipeline]'."
        )
    if isinstance(error, RuntimeError) and "cannot cache function" in str(error):  # numba's words
        return (
            "Compiled code can't be stored: this user can write neither to the folder of the installation nor to a "
            "home folder. Set NUMBA_CACHE_DIR to a folder that only this user can write, and run the same command "
            "again."
        )
    if "numba" in sys.modules:
        from matinee.store.compiled import damaged_loops  # noqa: PLC0415 - imports numba

        if folder := damaged_loops(error):
            return (
                f"Compiled loops in {folder} can't be read ({type(error).__name__}). Remove that folder, and run the "
                "same command again, which compiles them again."
            )
    return f"Unexpected {type(error).__name__}: {error}. Run again with --verbose to see where it happened."


def report_stdout_failure(error: StdoutError) -> int:
    """Print that stdout could not be written, unless the reader closed it on purpose, as `| head` does."""
    cause = error.__cause__
    if not isinstance(cause, BrokenPipeError):
        reason = getattr(cause, "strerror", None) or cause
        complain(
            f"matinee: The output could not be written to stdout: {reason}. The command itself is done. Check where "
            "stdout is redirected to."
        )
    return 1


def show_help(text: str) -> None:
    """Print help text and keep its line breaks. Raises StdoutError as `report` does."""
    _print(*text.rstrip("\n").split("\n"))


def complain(*lines: str) -> None:
    """Write lines to stderr; errors of stderr are ignored."""
    with contextlib.suppress(StdoutError):
        _write(sys.stderr, lines)


def _print(*lines: str) -> None:
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
        raise StdoutError from error


def _for_people(lines: Iterable[str], stream: TextIO | None) -> Iterator[str]:
    """Lines that are safe to show. On a terminal, a long one is wrapped between words, below its last column."""
    width = columns(stream) if stream is not None and is_terminal(stream) else None
    for line in lines:
        safe = shown(line, _LINE)
        if width is None or len(safe) <= width:
            yield safe
            continue
        starts = [gap.end() for gap in _GAP.finditer(safe) if gap.end() <= width // 2]
        indent = " " * max(starts, default=0)
        yield from textwrap.wrap(
            safe, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a line can be replaced on a stream: it is a terminal, and not one without cursor movements."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "")
    except ValueError:  # it is closed
        return False


def columns(stream: TextIO) -> int:
    """The width of a terminal: COLUMNS, or else that of the terminal itself."""
    if os.environ.get("COLUMNS", "").isdecimal() and int(os.environ["COLUMNS"]):
        return int(os.environ["COLUMNS"])
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_COLUMNS
    return _USUAL_COLUMNS


def _encoding(stream: TextIO | None) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _silence(stream: TextIO) -> None:
    """Redirect a broken stream to /dev/null; otherwise Python reports an error when it exits."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def open_closed_streams() -> None:
    """Open /dev/null for each closed standard stream; otherwise the next file that is opened takes its number."""
    for handle in (0, 1, 2):
        try:
            os.fstat(handle)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - stays open


def _end(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


class _Terminal(logging.Handler):
    """Writes to the stderr of the moment, which a test may replace."""

    def emit(self, record: logging.LogRecord) -> None:
        if is_result(record):
            return
        if self.level > logging.DEBUG:  # tracebacks are shown only with --verbose
            record = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None})
        complain(*_for_people(self.format(record).splitlines(), sys.stderr))


def log_to_terminal(*, verbose: bool, quiet: bool) -> None:
    """Print the log of the library. Other handlers stay, such as Prefect's for the log of a run."""
    handler = _Terminal()
    handler.addFilter(OneLine())
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", datefmt="%H:%M:%S"))
    handler.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    logger = logging.getLogger("matinee")
    others = [each for each in logger.handlers if not isinstance(each, _Terminal)]
    logger.handlers[:] = [*others, handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
