"""Paths in command lines, and the check of the two folders that scheduled runs use.

What it needs of the store is imported when there is a path: the help of the command line waits for nothing.
"""

import argparse
from pathlib import Path

from matinee.errors import ConfigError


def path(text: str) -> Path:
    """Parse a path; the type of an argument. An empty path is refused, and so is an address."""
    from matinee.store.database_address import is_address
    from matinee.store.paths import named
    from matinee.store.remote import names_remote

    if is_address(text):
        raise argparse.ArgumentTypeError("expected a path, not a database, from which only ratings are read")
    if names_remote(text):
        raise argparse.ArgumentTypeError("expected a path on this machine, not an address of an object store")
    try:
        return named(text, "this argument")
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def store_path(text: str) -> Path:
    """Parse the folder of a store, or the address of one in an object store. `cli.arguments` gives it a cache."""
    from matinee.store.paths import is_unknown_address
    from matinee.store.remote import names_remote
    from matinee.store.remote.address import parse_address

    if is_unknown_address(text):
        raise argparse.ArgumentTypeError(
            f"{text} is not an address that can be used; expected s3://, gs://, az:// or a folder"
        )
    if not names_remote(text):
        return path(text)
    try:
        return Path(parse_address(text).text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def source_text(text: str) -> str:
    """Parse a path, a glob or an address, as text; the password of a database is taken out and remembered."""
    from matinee.store.database_address import is_address, without_password

    if not is_address(text):
        return file_text(text)
    try:
        return without_password(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def file_text(text: str) -> str:
    """Parse a path, a glob or an address in an object store, as text."""
    from matinee.store.remote import names_remote

    return text if names_remote(text) else path_text(text)


def path_text(text: str) -> str:
    """Parse a path or a glob, as text."""
    path(text)
    return text


def add_folders(parser: argparse.ArgumentParser, *, project: Path) -> None:
    """Add the options of the two folders, whose defaults are in the folder of the project."""
    parser.add_argument(
        "--drop",
        type=store_path,
        default=project / "drop",
        metavar="DIR",
        help="folder for new rating files, or its address in an object store, such as s3://BUCKET/drop (default: "
        "`drop` in the project's folder)",
    )
    parser.add_argument(
        "--store",
        type=store_path,
        default=project / "store",
        metavar="DIR",
        help="store of the nightly runs, or its address in an object store, such as s3://BUCKET/store (default: "
        "`store` in the project's folder)",
    )


def check_folders(*, drop: Path, store: Path) -> None:
    """Raise ConfigError if one of the folders contains the other, or if `store` cannot be a store."""
    from matinee.store.identity import check_usable
    from matinee.store.paths import check_apart
    from matinee.store.remote.address import check_separate, names_remote

    check_separate(drop, store)
    if not names_remote(store):
        check_apart(store, drop=None if names_remote(drop) else drop)
        check_usable(store)


def place_text(place: Path) -> str:
    """A folder as other hosts and other current folders know it: the address, or the absolute path."""
    from matinee.store.remote.address import names_remote, parse_address

    return parse_address(str(place)).text if names_remote(place) else str(place.absolute())
