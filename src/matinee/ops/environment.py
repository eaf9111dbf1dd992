"""Prefect's settings that matter here, set before Prefect is imported; whatever the user has set stays.

The profile and the API address are not touched: where a team's server is configured, it is used.
"""

import os

POOL = "matinee"  # the work pool
WEBHOOK = "MATINEE_WEBHOOK"  # the variable that says whom to tell; the address may hold a token
HEARTBEAT_SECONDS = 30  # Prefect's lowest

PREFECT_DEFAULTS = {
    # Without internet, telemetry ends in "database is locked" tracebacks.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The first start ever takes about as long as the default of 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # A slot whose holder was killed comes back within a minute; in memory it would outlive a server's restart.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    # The same in every process: the server ends a run that is silent for three and a half (src/matinee/ops/alerts.py).
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    # A worker on a busy machine takes this long to pick a run up; that is no reason to wake somebody.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "60",
    # The library's log lines belong to the run's log; outside of a run they are nobody's.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "matinee",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
# A failed run's traceback is in the run's log; the terminal gets the one paragraph.
_QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}


def prepare_prefect(*, quiet: bool) -> None:
    """Fill in what the environment leaves open; `quiet` keeps Prefect's own lines off the terminal."""
    for name, value in {**PREFECT_DEFAULTS, **(_QUIET if quiet else {})}.items():
        os.environ.setdefault(name, value)
