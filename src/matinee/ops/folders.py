"""Paths in command lines, and the check of the two folders that scheduled runs use."""

import argparse
from pathlib import Path

from matinee.errors import ConfigError
from matinee.store.identity import check_usable
from matinee.store.paths import check_apart, named


def path(text: str) -> Path:
    """Parse a path; the type of an argument. An empty path is refused."""
    try:
        return named(text, "this argument")
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def path_text(text: str) -> str:
    """Parse a path or a glob, as text."""
    path(text)
    return text


def check_folders(*, drop: Path, store: Path) -> None:
    """Raise ConfigError if one of the folders contains the other, or if `store` cannot be a store."""
    check_apart(store, drop=drop)
    check_usable(store)
