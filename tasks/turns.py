"""One training at a time on a device: two would compete for its memory and cores, and both end later.

The turn is a lock file of the machine, for the device is the machine's: it works over all stores, with or without a
Prefect server, and goes with the process however it ends. A slot of a server's limit outlives a killed process.
"""

import contextlib
import dataclasses
import fcntl
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from matinee.settings import TrainSettings
from matinee.store import Plan

log = logging.getLogger("matinee.run")


def in_turn(plan: Plan, settings: TrainSettings) -> Plan:
    """The plan, made while no other training runs on its device; a folder that is whole waits for nobody."""

    def make(folder: Path) -> dict[str, Any]:
        with hold(device_name(settings)):
            return plan.make(folder)

    return dataclasses.replace(plan, make=make)


def device_name(settings: TrainSettings) -> str:
    """The device that a fit with these settings takes: `cpu`, or `cuda` and what of it this process may see."""
    if settings.device == "cpu" or not torch.cuda.is_available():
        return "cpu"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return re.sub(r"[^\w-]", "_", f"cuda{visible}")


@contextlib.contextmanager
def hold(device: str) -> Iterator[None]:
    """Wait until no other process trains on the device, and keep the others waiting."""
    path = Path(tempfile.gettempdir()) / f"matinee-{os.getuid()}-{device}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("    another training is under way on %s: waiting for it to end", device)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
