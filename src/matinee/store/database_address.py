"""Addresses of databases in calls: `postgresql://user@host/shop?query=select ...`, `sqlite:///shop.db?query=...`.

All that follows `query=` is the statement, as it is. A password is taken out of the address as soon as a call is read,
and kept in the memory of this process alone: addresses are shown, logged and stored by Prefect.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import quote, unquote, unquote_plus

from matinee.errors import ConfigError
from matinee.errors.text import shown

System = Literal["postgresql", "sqlite", "duckdb"]

_ADDRESS: Final = re.compile(r"(postgresql|postgres|sqlite|duckdb):/", re.IGNORECASE)
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\[\]:@/\s?&]*)(:[0-9]+)?", re.ASCII)
_OPTION: Final = re.compile(r"([a-z_]+)=([^&@/\s]*)", re.ASCII)
_OF_LOGIN: Final = ("host", "hostaddr", "port", "service", "user")  # options
_SLASH: Final = "%2F"  # how a slash is written in the name of a file
_SHOWN_QUERY, _SHOWN, _LONGEST_NAME = 60, 500, 250  # characters; the last one in bytes
_FORM: Final = (
    "Expected postgresql://USER@HOST:PORT/DATABASE?query=select ..., sqlite:///FILE?query=select ... or "
    "duckdb:///FILE?query=select ..."
)
# Of a source without a password, before the `@` or among the options. Patterns of JSON Schema have no flag for case.
NO_PASSWORD: Final = (
    "^(?!" + "".join(f"[{letter}{letter.upper()}]" for letter in "postgres") + "([qQ][lL])?://"
    r"([^/?@]*:(?:(?!\?query=)[^/])*@|[^?]*\?(?:(?!query=)[^&]*&)*password=))"
)
_passwords: dict[str, str] = {}  # by the address without it


@dataclass(frozen=True)
class DatabaseAddress:
    """A database and a statement that gives the rows. It has no password, so it can be shown and stored."""

    system: System
    user: str  # empty if the address names none; for PostgreSQL, the surroundings decide
    server: str  # hosts with their ports; empty for a file and for PostgreSQL's local socket
    database: str  # the name, or the path of a file
    options: tuple[tuple[str, str], ...]
    query: str

    @property
    def text(self) -> str:
        """The address as a call gives it."""
        options = "".join(f"{name}={value}&" for name, value in self.options)
        return f"{self.place}?{options}query={self.query}"

    @property
    def place(self) -> str:
        """The address without options and statement."""
        user = f"{self.user}@" if self.user else ""
        return f"{self.system}://{user}{self.server}/{self.database}"

    @property
    def login(self) -> tuple[object, ...]:
        """What a password belongs to: user and server, whichever way the address names them."""
        return (self.user, self.server, *(pair for pair in sorted(self.options) if pair[0] in _OF_LOGIN))

    @property
    def shown(self) -> str:
        """The address in messages, with the beginning of the statement."""
        query = " ".join(self.query.split())
        short = query if len(query) <= _SHOWN_QUERY else f"{query[:_SHOWN_QUERY].rstrip()}…"
        return shown(f"{self.place}?query={short}", _SHOWN)

    @property
    def file_name(self) -> str:
        """The name of a file with the rows, from which `name_of` makes the address as it is shown."""
        name = self.shown.replace("%", "%25").replace("/", _SLASH)
        while len(name.encode()) > _LONGEST_NAME:
            name = name[:-1]
        return re.sub(r"%2?$", "", name).rstrip()

    @property
    def password(self) -> str | None:
        """The password that the call gave; None if it gave none."""
        return _passwords.get(self.text)


def is_address(source: str | Path) -> bool:
    """Whether a source of a call is the address of a database, not a path."""
    return _ADDRESS.match(str(source)) is not None


def parse_address(text: str) -> DatabaseAddress:
    """The database and the statement that an address names; a password in it is kept for `password`.

    Raises ConfigError if it is not an address. The error does not quote it: part of it may be a password.
    """
    address, password = _parse(text)
    if password is not None:
        _passwords[address.text] = password
    return address


def remember_password(texts: Iterable[str], password: str) -> None:
    """Keep the password of the PostgreSQL addresses of one login, in place of an earlier one, in memory.

    Raises ConfigError if the addresses name more than one login: a server would learn the password of another.
    """
    addresses = [address for address in map(parse_address, texts) if address.system == "postgresql"]
    logins = {address.login: address.place for address in addresses}
    if len(logins) > 1:
        places = " and ".join(shown(place, _SHOWN) for place in sorted(logins.values())[:2])
        raise ConfigError(
            f"The password is for one login, and the addresses name {len(logins)}, such as {places}. No server was "
            "contacted. Leave out password_block, and give the worker a ~/.pgpass with a line for each login."
        )
    for address in addresses:
        _passwords[address.text] = password


def without_password(text: str) -> str:
    """The address without its password, which this process remembers.

    >>> without_password("postgresql://ann:secret@db/shop?query=select 1")
    'postgresql://ann@db/shop?query=select 1'
    """
    return parse_address(text).text


def absolute_source(source: str) -> str:
    """A path, or the address of a database file, such that it means the same in another folder."""
    if not is_address(source):
        return str(Path(source).absolute())
    address = parse_address(source)
    if address.system == "postgresql":
        return address.text
    return replace(address, database=str(Path(address.database).absolute())).text


def short_source(source: str) -> str:
    """A path, or the name of the database of an address or of a file with its rows."""
    name = source if is_address(source) else name_of(Path(source))
    return name.partition("?")[0].rpartition("/")[2] or name if is_address(name) else source


def refuse_passwords(sources: list[str]) -> None:
    """Raise ConfigError if an address has a password. Prefect stores the parameters of a run."""
    for source in filter(is_address, sources):
        if _parse(source)[1] is not None:
            raise ConfigError(
                "The parameters of this run contain a database address with its password, and Prefect stores them. "
                "Change the password of that user, leave it out of the address, and give it to the worker: in "
                "~/.pgpass, or as PGPASSWORD in the worker's environment."
            )


def name_of(path: Path) -> str:
    """The name of a source file in tables and messages; that of rows from a database is the address."""
    return unquote(path.name) if is_address(path.name.replace(_SLASH, "/")) else path.name


def place_of(path: Path) -> str:
    """Where a source is, for messages: its path, or the address of a database."""
    name = name_of(path)
    return str(path) if name == path.name else name


def _parse(text: str) -> tuple[DatabaseAddress, str | None]:
    """The address, and the password that was in it."""
    found = re.fullmatch(r"([a-z]+)://(.*?)[?&]query=(.*)", text, re.DOTALL | re.IGNORECASE)
    if not found:
        if re.match(r"[a-z]+://", text, re.IGNORECASE):
            raise ConfigError(
                f"The address of a database has no query. {_FORM}, with the statement at the end."
            )
        raise ConfigError(f"The address of a database is a text with two slashes, not a path. {_FORM}.")
    system, place, query = found[1].lower(), found[2], _as_statement(found[3])
    if not query:
        raise ConfigError("The query of a database is empty. Expected one that gives user, movie and rating.")
    if system in ("sqlite", "duckdb"):
        return _file_address(cast(System, system), place, query), None
    return _server_address(place, query)


def _as_statement(text: str) -> str:
    """The statement; one without any blank is percent-encoded, as a program writes an address."""
    statement = text.strip()
    return statement if re.search(r"\s", statement) else unquote_plus(statement).strip()


def _file_address(system: System, place: str, query: str) -> DatabaseAddress:
    path = place.removeprefix("/")
    if not place.startswith("/") or not path or "?" in path or "\0" in path:
        raise ConfigError(
            f"The address of a {system} file is not readable. {_FORM}; an absolute path has a fourth slash."
        )
    return DatabaseAddress(system, "", "", path, (), query)


def _server_address(place: str, query: str) -> tuple[DatabaseAddress, str | None]:
    # A password may contain @ and : as they are, but not / or ?.
    authority, slash, rest = place.partition("/")
    database, _, options = rest.partition("?") if slash else ("", "", authority.partition("?")[2])
    authority = authority if slash else authority.partition("?")[0]
    login, _, server = authority.rpartition("@")
    user, colon, password = login.partition(":")
    pairs = [_OPTION.fullmatch(option) for option in options.split("&") if option]
    hosts = all(_HOST.fullmatch(host) for host in server.split(","))
    if not hosts or not all(pairs) or re.search(r"[@/\s]", database + user):
        raise ConfigError(
            f"The address of a PostgreSQL database is not readable. {_FORM}. In a user or password, write @ as %40, "
            "/ as %2F, ? as %3F and : as %3A, or leave the password out and set PGPASSWORD."
        )
    named = [(pair[1], pair[2]) for pair in pairs if pair]
    secrets = [unquote(value) for name, value in named if name == "password"]
    secrets += [unquote(password)] if colon else []
    others = tuple((name, value) for name, value in named if name != "password")
    if any(name == "sslpassword" for name, _ in others):
        raise ConfigError(
            "The address of a database has sslpassword. Use a key without one, or a service file."
        )
    address = DatabaseAddress("postgresql", user, server, database, others, query)
    return address, secrets[-1] if secrets else None


def login_of(address: DatabaseAddress) -> str:
    """User and password as they stand in an address for libpq."""
    password = address.password
    secret = "" if password is None else f":{quote(password, safe='')}"
    return f"{address.user}{secret}@" if address.user or secret else ""
