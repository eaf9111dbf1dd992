"""When garbage is collected: in long-running processes on a separate thread, and never while modules are imported."""

import contextlib
import gc
import threading
import time
from collections.abc import Iterator

_COLLECT_SECONDS = 1.0
_ALL = 60  # rounds between two collections of all objects


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage during the block. Later collections leave out what it has imported, which stays to the end.

    A tenth of the time of Prefect's imports would be collections.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def collect_apart() -> None:
    """Collect garbage on one separate thread, and on no other."""
    gc.disable()
    gc.freeze()  # what is imported so far
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    rounds = 0
    while True:
        time.sleep(_COLLECT_SECONDS)
        rounds += 1
        gc.collect(1 if rounds % _ALL else 2)
