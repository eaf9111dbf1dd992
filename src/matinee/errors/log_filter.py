"""A log filter: each record of the library becomes one line without control characters."""

import logging

from matinee.errors.text import shown

_LINE = 8_000  # characters
RESULT = {
    "is_result": True
}  # the `extra` of a record that the command line leaves out, because it prints the result


class OneLine(logging.Filter):
    """Replaces control characters in records of the library; names from files may contain them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record for all handlers, and let it pass."""
        if record.name.partition(".")[0] == "matinee":
            record.msg, record.args = shown(record.getMessage(), _LINE), None
        return True


def is_result(record: logging.LogRecord) -> bool:
    """Whether a record was logged with `RESULT`."""
    return getattr(record, "is_result", False) is True


def guard_log() -> None:
    """Add the filter to the handlers of the library and of the root logger, which include Prefect's."""
    for handler in (*logging.getLogger("matinee").handlers, *logging.root.handlers):
        if not any(isinstance(each, OneLine) for each in handler.filters):
            handler.addFilter(OneLine())
