"""The process that uses something in an object store, as the object there names it.

A process of this host that has died is recognised at once; of other hosts, only the time of an object shows it.
"""

import contextlib
import os
import socket
import uuid
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from matinee.store.digests import digest_of
from matinee.store.system import is_alive

_BEGAN: Final = 19  # of the fields after the name in /proc/PROCESS/stat, see proc(5): when the process began
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NUMBERS: Final = Path("/proc/self/ns/pid")
_ENDED: Final = "ZX"  # states of a process that has ended, and that its parent has not asked for


class Holder(BaseModel):
    """A process on any host. Objects of earlier versions have only its name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    holder: str = ""  # unique; empty if no process holds the object
    machine: str = ""  # where the number of a process means the same: a host since its start, or a container
    process: int = 0
    began: str = ""  # tells the process from later ones with its number

    @classmethod
    def new(cls) -> "Holder":
        """This process, under a name of its own."""
        process = os.getpid()
        return cls(
            holder=f"{socket.gethostname()}-{process}-{uuid.uuid4().hex[:12]}",
            machine=_machine(),
            process=process,
            began=_began(process) or "",
        )

    @classmethod
    def read(cls, data: bytes) -> "Holder":
        """The process that an object names; one without a name if it names none."""
        with contextlib.suppress(ValidationError):
            return cls.model_validate_json(data)
        return cls()

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this host, which may have died."""
        return bool(self.machine) and self.machine == _machine()

    @property
    def is_dead(self) -> bool:
        """Whether it is known to have died."""
        return self.is_here and not (is_alive(self.process) and _began(self.process) in (self.began, None))


@cache
def _machine() -> str:
    """This host, its current start, and its numbers of processes; empty if the system doesn't say."""
    try:
        boot, numbers = _BOOT.read_text(), _NUMBERS.readlink()
    except OSError:
        return ""
    return digest_of(host=socket.gethostname(), boot=boot, numbers=str(numbers))[:12]


def _began(process: int) -> str | None:
    """When a process began; empty if it has ended, None if this user may not see it."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in _ENDED else fields[_BEGAN]
