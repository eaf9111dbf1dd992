"""Checks before a command uses Prefect: a writable home, a server that answers, and its password.

Each failed check is one ConfigError. Prefect itself would continue without its home or profile, wait minutes for the
server, or print a traceback. It also prints addresses with the passwords in them.
"""

import contextlib
import io
import os
import re
import sqlite3
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.environment import prepare_prefect, unusable_proxies
from matinee.ops.prefect_password import authorization_for, password_for
from matinee.ops.prefect_server import check_address, find_fault, home, is_here, profile, setting

_URL = "PREFECT_API_URL"
_ROOM_BYTES = 1 << 20  # about the size of the database of a new server


def connect(*, quiet: bool) -> str | None:
    """Prepare Prefect and check the configured server, if there is one. Call it before a flow is imported.

    Args:
        quiet: Whether to keep Prefect's own lines off the terminal.

    Returns:
        The address of the server; None if none is configured.

    Raises:
        ConfigError: A check failed. It takes seconds at most.
    """
    url = find_address(quiet=quiet)
    if url:
        if fault := find_fault(url, authorization=authorization_for(url)):
            raise ConfigError(f"{fault} {ways_out()}")
        password = password_for(url)
        if password and password != setting("PREFECT_API_AUTH_STRING"):
            use(url, password)
    return url


def find_address(*, quiet: bool) -> str | None:
    """Prepare Prefect; returns the address of the server in the environment or in Prefect's settings."""
    prepare(quiet=quiet)
    url = os.environ.get(_URL)
    if not url and "prefect" not in sys.modules and not _file_with_address():
        url = setting(_URL)
    if url:
        check_address(url)  # before Prefect prints it
    leave_out_proxies(url)
    url = url or _settings_url()
    return check_address(url) if url else None


def prepare(*, quiet: bool) -> None:
    """Check Prefect's home and profile, and set the defaults of its settings, before it is imported.

    Raises ConfigError if Prefect could not use them.
    """
    check_home()
    profile()
    prepare_prefect(quiet=quiet)


def ways_out() -> str:
    """Where the address of the server comes from, and how to run without it."""
    if os.environ.get(_URL):
        return f"The address of the server is in the variable {_URL}: unset it to run without this server."
    if name := _file_with_address():
        return f"The address of the server is in {name} of this folder: remove it there to run without this server."
    return (
        "The address of the server is in the active Prefect profile: set PREFECT_PROFILE=ephemeral to run without this "
        "server."
    )


def _file_with_address() -> str | None:
    """The file of the current folder in which Prefect finds the address of the server, or None."""
    with contextlib.suppress(OSError, ValueError):
        if re.search(rf"^\s*(export\s+)?{_URL}\s*=\s*\S", Path(".env").read_text("utf-8"), re.I | re.M):
            return ".env"
    for name, keys in (("prefect.toml", ()), ("pyproject.toml", ("tool", "prefect"))):
        with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
            table = tomllib.loads(Path(name).read_text("utf-8"))
            for key in (*keys, "api"):
                table = table.get(key, {})
            if table.get("url"):
                return name
    return None


def leave_out_proxies(url: str | None) -> None:
    """Unset proxies that Prefect can't use, and that a server of this machine does not need.

    Raises ConfigError if the server is on another machine: it might be reached by them alone.
    """
    for name in unusable_proxies():
        if url and not is_here(url):
            raise ConfigError(
                f"{name} names a proxy that Prefect can't use: expected http://HOST:PORT. Unset it for this "
                "command, or install the package socksio if it is a SOCKS proxy."
            )
        del os.environ[name]


def use_configured() -> None:
    """Let this process use the configured server, if there is one, whether it answers or not."""
    if url := find_address(quiet=False):
        use(url, password_for(url))


def use(url: str, password: str | None) -> None:
    """Let this process and its children use a server, with its password."""
    os.environ["PREFECT_API_URL"] = url
    if password:
        os.environ["PREFECT_API_AUTH_STRING"] = password
    if "prefect" in sys.modules:  # it read the environment when it was imported
        from prefect.context import refresh_global_settings_context  # noqa: PLC0415

        refresh_global_settings_context()


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turn an error of the server in the block into one ConfigError.

    Prefect's own messages contain the request, which may hold the address of a webhook. So they are not printed.
    """
    import httpx  # noqa: PLC0415 - with Prefect

    try:
        yield
    except httpx.HTTPStatusError as error:
        what = f"{error.request.method} {shown(error.request.url.path)}"
        raise ConfigError(
            f"The Prefect server refused {what} with status {error.response.status_code}. Its log says why. Check that "
            "it has the version that is installed here."
        ) from None
    except httpx.HTTPError as error:
        raise ConfigError(
            f"The connection to the Prefect server was lost ({type(error).__name__}). Start the server again, then run "
            "the same command. Finished steps are kept."
        ) from None


def check_home() -> None:
    """Create Prefect's home, and check that it is writable. Raises ConfigError."""
    folder = home()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_ROOM_BYTES))
            probe.flush()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not the name of a folder"
        raise ConfigError(
            f"Prefect can't write its database and results to {shown(folder)}: {why}. Free space or correct the owner, "
            "or set PREFECT_HOME to a writable folder."
        ) from None


def fault_of_database() -> str | None:
    """What to say of Prefect's database in its home if another version of Prefect wrote it; else None."""
    import prefect  # noqa: PLC0415

    path = home() / "prefect.db"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("select version_num from alembic_version").fetchone()
    except sqlite3.Error:
        return None
    known = Path(prefect.__file__).parent / "server" / "database" / "_migrations" / "versions" / "sqlite"
    if found is None or any(f"_{found[0]}_" in each.name for each in known.glob("*.py")):
        return None
    return (
        f"{shown(path)} was written by another version of Prefect than {prefect.__version__}, which is installed. "
        "Install the version that wrote it, or set PREFECT_HOME to another folder."
    )


def _settings_url() -> str | None:
    """The address in Prefect's other settings files.

    Raises ConfigError if Prefect refuses a setting. Values are not printed, because they may be secrets.
    """
    from pydantic import ValidationError  # noqa: PLC0415
    from pydantic_settings.exceptions import SettingsError  # noqa: PLC0415

    printed = io.StringIO()  # Prefect prints the value of a wrong setting
    try:
        with contextlib.redirect_stderr(printed):
            from prefect.settings import get_current_settings  # noqa: PLC0415 - reads the environment

            url = get_current_settings().api.url
        print(printed.getvalue(), end="", file=sys.stderr)
        return url
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigError(
            f"Prefect refuses a setting of the environment or the profile: {shown(what)}."
        ) from None
    except SettingsError:
        raise ConfigError(
            "Prefect can't read its settings: prefect.toml, pyproject.toml or .env of this folder is not valid. "
            "Correct the file, or run the command in another folder."
        ) from None
