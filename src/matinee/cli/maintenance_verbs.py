"""The verbs `alerts`, `doctor`, `backup` and `restore`."""

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from matinee.cli.outcome import Outcome
from matinee.ops.connection import connect
from matinee.ops.environment import WEBHOOK
from matinee.ops.prefect_server import parse_address

if TYPE_CHECKING:
    from matinee.maintenance.copies import Copied


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
    return Outcome({"alerts": done}, lines or "There are no alerts.", notable=())


def doctor(call: argparse.Namespace) -> Outcome:
    """Check what runs need; the exit status is 1 if a check fails."""
    from matinee.maintenance.doctor import examine  # noqa: PLC0415 - asks torch for the device

    checks = list(examine(call.store))
    lines = [f"{check.status:4}  {check.name:9}  {check.said}" for check in checks]
    status = 1 if any(check.status == "fail" for check in checks) else 0
    return Outcome({"checks": [check._asdict() for check in checks]}, lines, status)


def backup(call: argparse.Namespace) -> Outcome:
    """Copy a store while it may be in use."""
    from matinee.maintenance.backup import back_up  # noqa: PLC0415 - reads what doctor and alerts do not need

    return _copied(back_up(call.store, call.out), "copy", call.out)


def restore(call: argparse.Namespace) -> Outcome:
    """Copy a backup to a new store."""
    from matinee.maintenance.backup import restore as library  # noqa: PLC0415 - as in backup

    return _copied(library(call.source, call.store), "store", call.store)


def _copied(done: "Copied", label: str, target: Path) -> Outcome:
    lines = [
        f"copied    {done.folders:,} folders, {done.bytes / 1e6:,.1f} MB; {done.unchanged:,} unchanged, "
        f"{done.removed:,} removed",
        f"releases  {', '.join(done.releases) or 'none'}; champion {done.champion or 'none'}",
        f"{label:<8}  {target}",
    ]
    damaged = (
        [f"DAMAGED   {', '.join(done.damaged)}: not copied. Run `matinee doctor` on the store."]
        if done.damaged
        else []
    )
    return Outcome(asdict(done), [*lines, *damaged], 1 if damaged else 0, notable=damaged)
