"""Progress in words, and the thread that looks at it. It is used by the command line and by the tasks."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Final

from matinee.errors.text import shown
from matinee.store.progress import Amount, Work

_MEMORY_SECONDS: Final = 15.0  # a rate is that of the last seconds
_SURE_SECONDS: Final = 1.0  # a rate of less time is not shown
_SURE_SHARE: Final = 0.02
_BAR: Final = 20  # characters
_WIDE: Final = 72  # columns, from which on there is a bar
_SCALES: Final = (("G", 1e9), ("M", 1e6), ("k", 1e3))


class Pace:
    """How fast a piece of work is, by its last seconds."""

    def __init__(self) -> None:
        self._began = -1.0
        self._seen: deque[tuple[float, float]] = deque()

    def see(self, amount: Amount, at: float) -> None:
        """Remember how much was done at a time, as `time.monotonic` has it."""
        if amount.began != self._began or (self._seen and amount.done < self._seen[-1][1]):
            self._began = amount.began
            self._seen.clear()
            self._seen.append(
                (amount.began, 0.0) if at - amount.began < _MEMORY_SECONDS else (at, amount.done)
            )
        self._seen.append((at, amount.done))
        while len(self._seen) > 2 and at - self._seen[1][0] >= _MEMORY_SECONDS:
            self._seen.popleft()

    def per_second(self) -> float | None:
        """The rate; None as long as it is not known."""
        (first, before), (last, now) = self._seen[0], self._seen[-1]
        if last - first < _SURE_SECONDS or now <= before:
            return None
        return (now - before) / (last - first)

    def seconds_left(self, amount: Amount) -> float | None:
        """The time that is left; None as long as it is not known."""
        rate, share = self.per_second(), amount.share
        if rate is None or share is None or share < _SURE_SHARE or amount.total is None:
            return None
        return max(amount.total - amount.done, 0.0) / rate


def describe(
    amount: Amount, pace: Pace, *, heading: str = "", width: int | None = None, at: float, bars: str = ""
) -> str:
    """Progress as one line.

    Args:
        amount: How far the work is.
        pace: How fast it is.
        heading: What it is part of.
        width: Columns of the terminal: parts that do not fit are left out, the least important first; None for all.
        at: The time, as `time.monotonic` has it.
        bars: Two characters of a bar, done and to do; empty for no bar.

    Returns:
        Such as "reading ratings  43%  1.20 of 2.80 GB  310 MB/s  0:05 left".
    """
    what = f"{heading}: {amount.what}" if heading and amount.what else heading or amount.what
    if not what:
        return ""
    # Once all of it is read, something else is done with it.
    share = amount.share if amount.share != 1 else None
    rate, left = pace.per_second(), pace.seconds_left(amount)
    known = [
        # least important last
        (0, what),
        (2, f"{share:.0%}".rjust(4) if share is not None else ""),
        (7, _done(amount)),
        (4, f"{_number(rate, amount.unit)}/s" if rate and amount.unit and share is not None else ""),
        (5, amount.facts),
        (3, clock(at - amount.began) if share is None else f"{clock(left)} left" if left is not None else ""),
    ]
    parts = [(rank, text) for rank, text in known if text]
    if bars and share is not None and (width is None or width >= _WIDE):
        filled = round(_BAR * share)
        parts.insert(1, (6, bars[0] * filled + bars[1] * (_BAR - filled)))
    while width is not None and len(parts) > 1 and len(_joined(parts)) > width:
        parts.remove(max(parts))
    return shown(_joined(parts))[:width]


def _joined(parts: list[tuple[int, str]]) -> str:
    return "  ".join(text for _, text in parts)


def _done(amount: Amount) -> str:
    if not amount.unit or not amount.done:
        return ""
    if amount.total is None:
        return _number(amount.done, amount.unit)
    prefix, scale = _scale(amount.total)
    done = _digits(min(amount.done, amount.total) / scale, whole=not prefix)
    return f"{done} of {_number(amount.total, amount.unit)}"


def _number(value: float, unit: str) -> str:
    """A number with three digits and its unit: 1.23 GB, 45.6 k users."""
    prefix, scale = _scale(value)
    text = _digits(value / scale, whole=not prefix)
    if unit == "bytes":
        return f"{text} {prefix}B"
    return f"{text}{' ' + prefix if prefix else ''} {unit.removesuffix('s') if text == '1' else unit}"


def _scale(value: float) -> tuple[str, float]:
    return next(((name, size) for name, size in _SCALES if value >= size), ("", 1.0))


def _digits(value: float, *, whole: bool) -> str:
    return f"{value:.0f}" if value >= 100 or whole else f"{value:.{1 if value >= 10 else 2}f}"


def clock(seconds: float) -> str:
    """Seconds as 0:05 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextlib.contextmanager
def looking(work: Work, show: Callable[[Amount, float], None], *, every_seconds: float) -> Iterator[None]:
    """While the block runs, show work regularly on a thread of its own, in this context.

    Args:
        work: The work.
        show: Called with what is done, and the time as `time.monotonic` has it. An error in it ends the showing, not
            the work.
        every_seconds: Time between two calls.
    """
    ended = threading.Event()

    def look() -> None:
        with contextlib.suppress(Exception):
            while not ended.wait(every_seconds):
                show(work.now(), time.monotonic())

    thread = threading.Thread(target=copy_context().run, args=(look,), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
