"""Each kernel is compiled by one of the test processes; the others wait for it and load it from the compiler's cache.

In a fresh checkout all processes would otherwise compile the same kernels at the same time.
"""

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let parallel workers compile no kernel twice."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        share_compiled_kernels(tmp_path_factory.getbasetemp().parent)  # which all workers have


def share_compiled_kernels(locks: Path) -> None:
    """Let the processes that share the folder `locks` compile no cached kernel twice."""
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    compile_now = Dispatcher.compile

    def compile_once(kernel: Any, signature: Any) -> Any:
        if not kernel._cache.cache_path:  # a helper, which is compiled with each kernel that calls it
            return compile_now(kernel, signature)
        # In this order: a thread that compiles waits for no thread of its own process.
        with (
            global_compiler_lock,
            (locks / f"{kernel.py_func.__module__}.{kernel.py_func.__name__}").open("w") as lock,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            return compile_now(kernel, signature)

    Dispatcher.compile = compile_once  # type: ignore[method-assign, assignment]
