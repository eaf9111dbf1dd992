"""One training at a time on a device: two would compete for its memory and cores, and both end later.

The turn is a lock file of this user on this machine: it works over all stores, with or without a Prefect server, and
goes with the process however it ends. A slot of a server's limit outlives a killed process.

It lies where nobody else can make, open or hold it. So two users of one machine do not wait for each other, though the
device is the machine's: a lock that both can take is a lock that either can keep, and then no night of the other ends.
"""

import contextlib
import dataclasses
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matinee.formats.base import Manifest
from matinee.settings.device import DeviceName, choose_device
from matinee.store import Plan, progress
from matinee.store.locks import lock

log = logging.getLogger("matinee.run")


def in_turn(plan: Plan, device: DeviceName) -> Plan:
    """The plan, made while no other training runs on its device; a folder that is whole waits for nobody."""

    def make(folder: Path) -> Manifest:
        with hold(device_name(device)):
            return plan.make(folder)

    return dataclasses.replace(plan, make=make)


def device_name(wanted: DeviceName) -> str:
    """The device that a fit takes, by `train.device`: `cpu`, or `cuda` and what of it this process may see."""
    if choose_device(wanted, setting="train.device") == "cpu":
        return "cpu"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return re.sub(r"[^\w-]", "_", f"cuda{visible}")


@contextlib.contextmanager
def hold(device: str) -> Iterator[None]:
    """Wait until no other process trains on the device, and keep the others waiting."""
    folder = private_folder()
    if folder is None:
        yield
        return
    path = folder / f"matinee-{device}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if not lock(handle, wait=False):
            progress.begin("waiting for another training")
            log.info("    another training is running on %s: waiting for it to end", device)
            lock(handle)
        yield
    finally:
        os.close(handle)


def private_folder() -> Path | None:
    """A folder that only this user can use: one in the temporary folder, or else that of the session.

    A service of this user has no session, and must find the same lock. None, with a warning, where somebody else has
    taken the name or the folder can't be made: then trainings start without waiting.
    """
    temporary = Path(tempfile.gettempdir())
    if _is_private(temporary):
        return temporary
    made = temporary / f"matinee-{os.getuid()}"
    with contextlib.suppress(OSError):
        made.mkdir(mode=0o700)
    session = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nowhere")
    if found := next((folder for folder in (made, session) if _is_private(folder)), None):
        return found
    log.warning(
        "%s is not a folder that only this user can use, so no lock is kept in it, and trainings do not wait for each "
        "other. Remove it or free the disk, or set XDG_RUNTIME_DIR to a folder of mode 0700.",
        made,
    )
    return None


def _is_private(folder: Path) -> bool:
    """Whether it is a folder, and no link to one, that only this user may look into or write to."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.getuid()
        and not stat.S_IMODE(status.st_mode) & 0o077
    )
