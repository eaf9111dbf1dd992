"""Garbage collection for long-running processes: on a separate thread, and of all objects once per minute."""

import gc
import threading
import time

_COLLECT_SECONDS = 1.0
_ALL = 60  # rounds between two collections of all objects


def collect_apart() -> None:
    """Collect garbage on one separate thread, and on no other."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    rounds = 0
    while True:
        time.sleep(_COLLECT_SECONDS)
        rounds += 1
        gc.collect(1 if rounds % _ALL else 2)
