"""The errors that a user can meet, each with its exit status.

A message is one paragraph: what was found, where, what was expected, and what to do. It may quote names and values
from files. Many places print it, so it is made safe to print here.
"""

from typing import Final

from matinee.errors.text import shown

_PARAGRAPH: Final = 4_000  # characters


class MatineeError(Exception):
    """Base class of all errors whose message is written for users.

    Attributes:
        exit_status: The exit status of the command line.

    Examples:
        >>> import matinee
        >>> try:
        ...     matinee.load("store/releases/v9999")
        ... except matinee.MatineeError as error:
        ...     print(error.kind, error.exit_status)
        ReleaseError 1
    """

    exit_status = 1

    def __str__(self) -> str:
        """The message as one line without control characters."""
        return shown(super().__str__(), _PARAGRAPH)

    @property
    def kind(self) -> str:
        """The name of this error in `--json` output."""
        return type(self).__name__


class ConfigError(MatineeError):
    """The call is wrong: an unknown setting, a value out of bounds, a path that is not there."""

    exit_status = 2


class DivergenceError(ConfigError):
    """A fit diverged with its settings. Its `kind` is ConfigError."""

    @property
    def kind(self) -> str:
        """`ConfigError`, because the settings have to change."""
        return ConfigError.__name__


class DataError(MatineeError):
    """The input is refused: it is not a ratings file, has too many rejects, or leaves nothing to train on."""

    exit_status = 3


class DatabaseError(MatineeError):
    """A database that ratings are read from does not answer, or broke off. The same command may work later."""


class StoreError(MatineeError):
    """The store can't be read or written, or one of its folders is damaged."""


class ReleaseError(MatineeError):
    """A release is missing or incomplete, or does not match its checksums."""
