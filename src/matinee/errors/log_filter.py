"""A filter that makes every log line of the library one line that no terminal obeys."""

import logging

from matinee.errors.text import shown

_LINE = 8_000  # characters


class OneLine(logging.Filter):
    """Makes a line of the library's log one line that no terminal obeys, whatever the names in it hold."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record for every handler that comes; all are taken."""
        if record.name.partition(".")[0] == "matinee":
            record.msg, record.args = shown(record.getMessage(), _LINE), None
        return True


def guard_log() -> None:
    """Let no handler have a raw line of the library's, be it Prefect's or the worker's terminal."""
    for handler in (*logging.getLogger("matinee").handlers, *logging.root.handlers):
        if not any(isinstance(each, OneLine) for each in handler.filters):
            handler.addFilter(OneLine())
