"""What must hold before a command works with Prefect: a home that can be written, a server that answers, its password.

Each thing that doesn't hold is one ConfigError. Prefect itself would go on without the home or the profile, wait for
minutes for the server, or end in a traceback, and it prints addresses with the passwords in them.
"""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.environment import prepare_prefect
from matinee.ops.prefect_password import authorization_for, password_for
from matinee.ops.prefect_server import check_address, find_fault, home, profile, setting

_ROOM_BYTES = 1 << 20  # what the database of an empty server takes, about


def connect(*, quiet: bool) -> str | None:
    """Prepare Prefect and make sure that the server that is named, if one is, can be worked with; returns its address.

    Call it before a flow is imported. Raises ConfigError where something doesn't hold, within seconds.
    """
    url = find_address(quiet=quiet)
    if url:
        if fault := find_fault(url, authorization=authorization_for(url)):
            raise ConfigError(fault)
        password = password_for(url)
        if password and password != setting("PREFECT_API_AUTH_STRING"):
            use(url, password)
    return url


def find_address(*, quiet: bool) -> str | None:
    """Prepare Prefect; returns the address of the server that the environment or Prefect's settings name."""
    check_home()
    profile()
    url = setting("PREFECT_API_URL") if "prefect" not in sys.modules else os.environ.get("PREFECT_API_URL")
    if url:
        check_address(url)  # before Prefect can print it
    prepare_prefect(quiet=quiet)
    url = url or _settings_url()
    return check_address(url) if url else None


def use(url: str, password: str | None) -> None:
    """Have this process and those that it starts ask that server, with its password."""
    os.environ["PREFECT_API_URL"] = url
    if password:
        os.environ["PREFECT_API_AUTH_STRING"] = password
    from prefect.context import refresh_global_settings_context  # noqa: PLC0415 - reads the environment

    refresh_global_settings_context()


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turn what the server fails to do within the block into one ConfigError.

    Prefect's own messages hold the request, and with it the address of a webhook; so they are not told.
    """
    import httpx  # noqa: PLC0415 - with Prefect

    try:
        yield
    except httpx.HTTPStatusError as error:
        what = f"{error.request.method} {shown(error.request.url.path)}"
        raise ConfigError(
            f"The Prefect server refused {what} with status {error.response.status_code}. Its own log says why; check "
            "that it is of the version that is installed here."
        ) from None
    except httpx.HTTPError as error:
        raise ConfigError(
            f"The Prefect server went away while it was worked with ({type(error).__name__}). Start it again, then run "
            "the same command: what was finished is kept."
        ) from None


def check_home() -> None:
    """Make Prefect's home, and sure that something can be written there."""
    folder = home()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_ROOM_BYTES))
            probe.flush()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a folder"
        raise ConfigError(
            f"Prefect can't keep its database and results in {shown(folder)}: {why}. Make room or correct its owner, "
            "or set PREFECT_HOME to a folder that can be written."
        ) from None


def _settings_url() -> str | None:
    """What Prefect's other settings files name.

    Raises ConfigError where Prefect refuses a setting; the values, which may be secrets, are not told.
    """
    from pydantic import ValidationError  # noqa: PLC0415
    from pydantic_settings.exceptions import SettingsError  # noqa: PLC0415

    said = io.StringIO()  # what Prefect prints of a wrong setting holds its value
    try:
        with contextlib.redirect_stderr(said):
            from prefect.settings import get_current_settings  # noqa: PLC0415 - reads the environment

            url = get_current_settings().api.url
        print(said.getvalue(), end="", file=sys.stderr)
        return url
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigError(
            f"Prefect refuses a setting of the environment or the profile: {shown(what)}."
        ) from None
    except SettingsError:
        raise ConfigError(
            "Prefect can't read its settings: prefect.toml, pyproject.toml or .env of this folder is not valid. "
            "Correct the file, or start elsewhere."
        ) from None
