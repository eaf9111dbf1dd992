"""How the command lines read paths, and the two folders that scheduled runs work on."""

import argparse
from pathlib import Path

from matinee.errors import ConfigError
from matinee.store.identity import check_usable
from matinee.store.paths import check_apart, named


def path(text: str) -> Path:
    """A path as the type of an argument: an empty one is none."""
    try:
        return named(text, "this argument")
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def path_text(text: str) -> str:
    """The same where a glob is meant as well."""
    path(text)
    return text


def check_folders(*, drop: Path, store: Path) -> None:
    """Raise ConfigError unless the drop folder and the store are apart, and the store is one or can become one."""
    check_apart(store, drop=drop)
    check_usable(store)
