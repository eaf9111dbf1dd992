"""The verbs that look after what runs by itself: alerts, and whether all is well here."""

import argparse
import os

from matinee.cli.verbs import Outcome
from matinee.ops.connection import connect
from matinee.ops.environment import WEBHOOK
from matinee.ops.prefect_server import parse_address


def alerts(call: argparse.Namespace) -> Outcome:
    """Put the alerts on the Prefect server, or take them off."""
    webhook = call.webhook if call.webhook is not None or call.block else os.environ.get(WEBHOOK) or None
    if call.action == "apply" and webhook is not None:
        parse_address(webhook, name=f"The webhook (--webhook or {WEBHOOK})")
    connect(quiet=not call.verbose)
    from matinee.ops.alerts import apply, remove  # noqa: PLC0415 - no other verb waits for Prefect

    done = remove() if call.action == "remove" else apply(webhook=webhook, block=call.block)
    lines = [f"{what:9}  {name}" for name, what in done.items()]
    if call.action == "apply" and len(done) == 1:
        lines.append(f"Nobody is told: name --webhook or --block, or set {WEBHOOK}, for that.")
    return Outcome({"alerts": done}, lines or "There are none.")


def doctor(call: argparse.Namespace) -> Outcome:
    """Look at what runs need; a failed check is exit status 1."""
    from matinee.maintenance.doctor import examine  # noqa: PLC0415 - asks torch for the device

    checks = list(examine(call.store))
    lines = [f"{check.status:4}  {check.name:9}  {check.said}" for check in checks]
    status = 1 if any(check.status == "fail" for check in checks) else 0
    return Outcome({"checks": [check._asdict() for check in checks]}, lines, status)
