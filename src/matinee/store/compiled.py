"""Compiled loops, kept in a folder for each state of their code.

numba compiles a loop again if the file of the loop has changed, but not if a function or a constant from another file
has, which it compiles into the loop. So loops are kept by the digest of their module and of its imports.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, Final

import numba

from matinee.store.digests import code_digest
from matinee.store.user_cache import user_cache

_FOLDER: Final = "loops"
_KEPT: Final = 4  # states of a module, so that versions that share a folder do not remove each other's loops
_config: Any = numba.config
_lock = RLock()


def njit(**options: Any) -> Callable[[Any], Any]:
    """As `numba.njit`; with `cache=True`, a loop is found again only if nothing that it is compiled from has changed.

    Args:
        **options: Those of `numba.njit`.
    """

    def decorate(function: Any) -> Any:
        if not options.get("cache"):
            return numba.njit(**options)(function)
        with _lock:
            usual = _config.CACHE_DIR
            _config.CACHE_DIR = str(_folder(function.__module__, usual))
            try:
                return numba.njit(**options)(function)
            finally:
                _config.CACHE_DIR = usual

    return decorate


@cache
def _folder(module: str, chosen: str) -> Path:
    """The folder for the loops of a module; earlier ones are removed."""
    folder = _base(chosen) / f"{module}-{code_digest(module)}"
    if not folder.is_dir():
        states = sorted(folder.parent.glob(f"{module}-*"), key=_age)
        for old in states[: max(len(states) - _KEPT + 1, 0)]:
            shutil.rmtree(old, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):  # another process removes it
            if any(
                file.stat().st_size == 0 for file in folder.rglob("*.nb?")
            ):  # the power failed during a write
                shutil.rmtree(folder, ignore_errors=True)
    return folder


def damaged_loops(error: BaseException) -> Path | None:
    """The folder of the compiled loops that could not be read, if that is why an error was raised."""
    trace = None if isinstance(error, OSError) else error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        reads = code.co_filename.endswith("numba/core/caching.py") and "load" in code.co_name
        if reads and (folder := getattr(trace.tb_frame.f_locals.get("self"), "_cache_path", None)):
            return Path(folder)
        trace = trace.tb_next
    return None


def _age(folder: Path) -> float:
    with contextlib.suppress(OSError):  # another process has removed it
        return folder.stat().st_mtime
    return 0.0


@cache
def _base(chosen: str) -> Path:
    """NUMBA_CACHE_DIR, or a folder next to the modules; if this user may not write there, one in the user's cache."""
    if chosen:
        return Path(chosen) / _FOLDER
    beside = Path(__file__).resolve().parents[1] / "__pycache__"
    if _is_writable(beside):
        return beside / _FOLDER
    with contextlib.suppress(RuntimeError):  # this user has no home
        if _is_writable(user_cache(), parents=True):
            return user_cache() / _FOLDER
    return Path(_own_folder().name)


def _is_writable(folder: Path, *, parents: bool = False) -> bool:
    """Whether files can be written in a folder, which is created."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=parents, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    return False


@cache
def _own_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder of this process, which goes with it."""
    return tempfile.TemporaryDirectory()
