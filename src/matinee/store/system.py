"""Calls of the operating system that only some systems have, each with what replaces it elsewhere.

Linux has all of them. On macOS the replacements below are used. A test hides the calls and checks the replacements.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_LOOK_SECONDS = 0.5


def available_cores() -> int:
    """Number of CPU cores that this process may use; where the system does not say, all cores of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> int:
    """Largest number of bytes that this process has had in memory so far (getrusage(2), `ru_maxrss`)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def sync_data(handle: int) -> None:
    """Wait until the bytes of a file are on the disk; its times and other metadata may follow later."""
    getattr(os, "fdatasync", os.fsync)(handle)


def is_open_for_writing(path: Path) -> bool:
    """Whether a process has the file open for writing. The kernel then refuses a read lease (fcntl(2), F_SETLEASE).

    False also if the system cannot know: for the file of another user, on a network folder, and outside Linux.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A process that opens the file for writing now breaks the lease; the default signal would end this process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except (AttributeError, OSError):
        return False
    finally:
        os.close(handle)
    return False


def is_alive(process: int) -> bool:
    """Whether there is a process of a number. One that has ended is there until its parent has asked for it."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, so that `end_orphans` finds them. Only Linux can."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_orphans() -> None:
    """Kill all child processes of this process and wait for them; without /proc, children are unknown."""
    table = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(FileNotFoundError):
        while children := table.read_text("ascii").split():
            for child in map(int, children):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, 0)


def end_with_parent(parent: int) -> None:
    """Send SIGTERM to this process as soon as its parent has ended.

    The kernel of Linux does it. Elsewhere a thread looks twice per second.

    Args:
        parent: Process number of the parent. It may have ended already.
    """
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
        return

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, daemon=True).start()


def _prctl(option: int, value: int) -> bool:
    """Set an option of this process; False where the system has no prctl(2)."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
