"""Digests of the installed code, kept for later processes: to parse two hundred modules takes one to two seconds.

A file in the cache folder of the user has them for one state of the code, the interpreter and the libraries. Without
such a file, or with one that is damaged, they are computed.
"""

import contextlib
import hashlib
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from matinee.store.files import write_json
from matinee.store.source_code import LIBRARIES, SourceCode
from matinee.store.user_cache import user_cache

_NAME: Final = 32  # hex digits


class _Known(BaseModel):
    """The digests of some modules, by name: `SourceCode.digests`."""

    modules: dict[str, list[str]] = {}


def known_digests(code: SourceCode, modules: Sequence[str]) -> list[str]:
    """The sorted digests of modules and of their imports, by the rule of `matinee.store.source_code`."""
    known = _read(code)
    if missing := [module for module in modules if module not in known.modules]:
        known.modules |= {module: code.digests(module) for module in missing}
        _write(code, known)
    return sorted({digest for module in modules for digest in known.modules[module]})


@cache
def _file(code: SourceCode) -> Path:
    """The file for all that the digests depend on."""
    state = hashlib.sha256(sys.version.encode())
    for library in LIBRARIES.values():
        state.update(f"{library} {version(library)}".encode())
    for path, text in code.read_all():
        state.update(f"{path} {len(text)} ".encode())
        state.update(text.encode())
    return user_cache() / "code" / f"{state.hexdigest()[:_NAME]}.json"


def _read(code: SourceCode) -> _Known:
    try:
        return _Known.model_validate_json(_file(code).read_bytes())
    except (OSError, RuntimeError, ValidationError):
        return _Known()


def _write(code: SourceCode, known: _Known) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # the next process computes them again
        _file(code).parent.mkdir(parents=True, exist_ok=True)
        write_json(_file(code), known)
