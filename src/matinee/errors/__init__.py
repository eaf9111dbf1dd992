"""The four errors a user can meet, each with the exit status of the command line.

A message is one paragraph: what was found, where, what was expected, what to do. Names and values in it may be other
people's, and it is told in many places, so it is made safe to show here, once.
"""

from typing import Final

from matinee.errors.text import shown

_PARAGRAPH: Final = 4_000  # characters


class MatineeError(Exception):
    """Base of all errors that are meant for a person to read.

    Attributes:
        exit_status: The exit status of the command line.

    Example:
        >>> import matinee
        >>> try:
        ...     matinee.load("store/releases/v9999")
        ... except matinee.MatineeError as error:
        ...     print(error.kind, error.exit_status)
        ReleaseError 1
    """

    exit_status = 1

    def __str__(self) -> str:
        """The message as one line that no terminal obeys."""
        return shown(super().__str__(), _PARAGRAPH)

    @property
    def kind(self) -> str:
        """The word that stands for this error in `--json` output."""
        return type(self).__name__


class ConfigError(MatineeError):
    """The call is wrong: an unknown setting, a value out of bounds, a path that is not there."""

    exit_status = 2


class DivergenceError(ConfigError):
    """A fit ran away with the settings it was given; a ConfigError to whoever asks for the kind."""

    @property
    def kind(self) -> str:
        """`ConfigError`: the settings are what is to be changed."""
        return ConfigError.__name__


class DataError(MatineeError):
    """The input is refused: not a ratings file, too many rejects, nothing left to train on."""

    exit_status = 3


class StoreError(MatineeError):
    """The store can't be read or written, or a folder in it is damaged."""


class ReleaseError(MatineeError):
    """A release is missing, incomplete, or does not match its checksums."""
