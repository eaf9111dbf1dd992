"""The processes of a fit on several ranks, found in /proc."""

import contextlib
from pathlib import Path

_AGENT = b"matinee.train.ranks.agent"


def ranks_of(process: int) -> list[int]:
    """The ranks of the fits that a process runs: the children of its agents."""
    return [rank for agent in _agents_of(process) for rank in _ours(_children(agent))]


def family_of(process: int) -> list[int]:
    """The agents of a process and their ranks."""
    return [*_agents_of(process), *ranks_of(process)]


def is_alive(process: int) -> bool:
    """Whether a process has not ended; one that nobody has waited for has ended too."""
    return bool(_command(process))


def _agents_of(process: int) -> list[int]:
    return _ours(_children(process))


def _ours(processes: list[int]) -> list[int]:
    return [each for each in processes if _AGENT in _command(each)]


def _children(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            found += map(int, (task / "children").read_text("ascii").split())
    return found


def _command(process: int) -> bytes:
    """The command line of a process; empty once it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
