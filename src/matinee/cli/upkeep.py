"""The verbs `alerts` and `doctor`."""

import argparse
import os

from matinee.cli.verbs import Outcome
from matinee.ops.connection import connect
from matinee.ops.environment import WEBHOOK
from matinee.ops.prefect_server import parse_address


def alerts(call: argparse.Namespace) -> Outcome:
    """Create the alerts on the Prefect server, or remove them."""
    webhook = call.webhook if call.webhook is not None or call.block else os.environ.get(WEBHOOK) or None
    if call.action == "apply" and webhook is not None:
        parse_address(webhook, name=f"The webhook (--webhook or {WEBHOOK})")
    connect(quiet=not call.verbose)
    from matinee.ops.alerts import apply, remove  # noqa: PLC0415 - no other verb waits for Prefect

    done = remove() if call.action == "remove" else apply(webhook=webhook, block=call.block)
    lines = [f"{what:9}  {name}" for name, what in done.items()]
    if call.action == "apply" and len(done) == 1:
        lines.append(f"No notification is sent. To send one, use --webhook or --block, or set {WEBHOOK}.")
    return Outcome({"alerts": done}, lines or "There are no alerts.")


def doctor(call: argparse.Namespace) -> Outcome:
    """Check what runs need; the exit status is 1 if a check fails."""
    from matinee.maintenance.doctor import examine  # noqa: PLC0415 - asks torch for the device

    checks = list(examine(call.store))
    lines = [f"{check.status:4}  {check.name:9}  {check.said}" for check in checks]
    status = 1 if any(check.status == "fail" for check in checks) else 0
    return Outcome({"checks": [check._asdict() for check in checks]}, lines, status)
