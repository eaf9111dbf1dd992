"""Defaults of Prefect's settings, set before Prefect is imported. Settings of the user override them.

The profile and the address of the API are not changed, so that a configured server is used.
"""

import importlib.util
import os

POOL = "matinee"  # the work pool
PORT = 4200  # of the server of `matinee up`, as Prefect has it
WEBHOOK = "MATINEE_WEBHOOK"  # variable with the address to notify; the address may contain a token
HEARTBEAT_SECONDS = 30  # the minimum that Prefect allows

PREFECT_DEFAULTS = {
    # Without internet access, telemetry fails with "database is locked".
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The very first start takes about as long as the default of 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # The slot of a killed run is free again within a minute. In memory, it would stay taken after a restart.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    # All processes need the same value: the server ends a run after 3.5 missing heartbeats (src/matinee/ops/alerts.py).
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    # A worker on a busy machine needs this long to start a run. An alert would be wrong.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "60",
    # Log lines of the library go to the log of the run. Outside of a run, Prefect ignores them.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "matinee",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")  # a proxy would look for these hosts on its own machine
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_NO_PROXY = ("no_proxy", "NO_PROXY")  # Python prefers the first, other programs the second
# The traceback of a failed run is in the log of the run. The terminal shows one paragraph.
_QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}


def prepare_prefect(*, quiet: bool) -> None:
    """Set variables that the environment does not have; `quiet` keeps Prefect's own lines off the terminal."""
    for name, value in {**PREFECT_DEFAULTS, **(_QUIET if quiet else {})}.items():
        os.environ.setdefault(name, value)
    bypass_proxies()


def child_environment(*, quiet: bool) -> dict[str, str]:
    """The environment of a server that this process starts: with these defaults, which are not set here yet."""
    usable = {name: value for name, value in os.environ.items() if name not in unusable_proxies()}
    return {**PREFECT_DEFAULTS, **(_QUIET if quiet else {}), **usable, **_no_proxy()}


def bypass_proxies() -> None:
    """Let this process and its children reach servers of this machine without the proxies of the environment."""
    os.environ.update(_no_proxy())


def _no_proxy() -> dict[str, str]:
    named = [host.strip() for name in _NO_PROXY for host in os.environ.get(name, "").split(",")]
    hosts = dict.fromkeys([host for host in named if host] + [*THIS_MACHINE])
    return dict.fromkeys(_NO_PROXY, ",".join(hosts))


def unusable_proxies() -> list[str]:
    """The variables that name proxies which Prefect can't use, such as SOCKS proxies without the package for them."""
    usable = ("http://", "https://", *(["socks"] if importlib.util.find_spec("socksio") else []))
    return [
        name
        for name, value in os.environ.items()
        if name.lower() in _PROXIES and "://" in value and not value.lower().startswith(tuple(usable))
    ]
