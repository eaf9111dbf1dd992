"""Garbage collection for processes that stay: on a thread of its own, and of old objects once a minute."""

import gc
import threading
import time

_COLLECT_SECONDS = 1.0
_ALL = 60  # every so many rounds, the old objects as well


def collect_apart() -> None:
    """Take the garbage collector off all threads but one that does nothing else."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    rounds = 0
    while True:
        time.sleep(_COLLECT_SECONDS)
        rounds += 1
        gc.collect(1 if rounds % _ALL else 2)
