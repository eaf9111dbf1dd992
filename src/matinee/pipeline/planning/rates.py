"""The rates of this machine: read from the cache folder of the user, or measured and kept there.

They hold for one machine, one version of the code and one set of libraries; with others they are measured again.
"""

import contextlib
import logging
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from matinee.formats.base import Format
from matinee.formats.steps import Step
from matinee.pipeline.planning.fit_cost import FAR, NEAR, fit_key
from matinee.settings import Settings
from matinee.store.digests import code_digest, digest_of
from matinee.store.files import write_json
from matinee.store.system import available_cores
from matinee.store.user_cache import CACHE, user_cache

log = logging.getLogger("matinee.run")
_LIBRARIES: Final = ("numba", "numpy", "polars", "pyarrow", "torch")
# The rates of the formulas, besides that of the fit; and the steps that fill the store row by row.
_NAMES: Final = frozenset(
    {
        *("read_row", "level_row", "group_row", "block_row", "movie_pair", "user_pair", "product_cell"),
        *("factor_flop", "solve_flop", "list_cell", "list_user", "hashed_byte", "written_byte"),
        *("ingest_row", "split_row", "evaluate_row", NEAR, FAR),
    }
)
_FILLING: Final = frozenset({Step.INGEST, Step.SPLIT})
_CODE: Final = "matinee.pipeline.planning.calibration"  # with all steps that it runs


class Machine(Format):
    """What the rates depend on besides the code."""

    processor: str = Field(description="Name of the processor.")
    cores: int = Field(description="Cores that a process may use.")
    memory: int = Field(description="Memory of the machine, in bytes; 0 if the system does not say.")


class Rates(Format):
    """What work costs on this machine, in seconds of one core."""

    measured: str = Field(description="When they were measured (UTC).")
    machine: Machine = Field(description="The machine.")
    start: float = Field(description="Seconds until the first step: imports, and the start of Prefect.")
    seconds: dict[str, float] = Field(description="Seconds of a core for one unit of each kind of work.")
    fixed: dict[str, float] = Field(description="Seconds of each step that do not depend on the data.")
    disk_row: dict[str, float] = Field(description="Bytes in the store for each row, by step.")


Measure = Callable[[Settings, Machine], Rates]


def this_machine() -> Machine:
    """The machine of this process."""
    return Machine(processor=_processor(), cores=available_cores(), memory=_memory())


def known_rates(settings: Settings, *, measure: Measure, again: bool = False) -> Rates:
    """The rates for a run with these settings.

    Args:
        settings: The model and the method decide which fits are measured.
        measure: Measures them; `matinee.pipeline.planning.calibration.measure_rates`.
        again: Whether to measure although rates are known.

    Returns:
        The rates, which are kept for later calls.
    """
    machine = this_machine()
    path, names = _path(settings, machine), _NAMES | {fit_key(settings.resolved())}
    if not again and (known := _read(path, names)) is not None:
        return known
    rates = measure(settings, machine)
    _keep(path, rates)
    return rates


def _keep(path: Path | None, rates: Rates) -> None:
    """Write the rates; a warning says if that is not possible."""
    try:
        if path is None:
            raise OSError("there is no home folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, rates)
    except OSError as error:
        log.warning(
            "The rates of this machine could not be kept in the cache folder (%s), so the next plan measures again. "
            "Set %s to a folder that this user may write to.",
            error.strerror or error,
            CACHE,
        )


def _path(settings: Settings, machine: Machine) -> Path | None:
    """The file for all that the rates depend on; None without a cache folder."""
    name = digest_of(
        code=code_digest(_CODE),
        machine=machine.model_dump(),
        python=platform.python_version(),
        versions={library: version(library) for library in _LIBRARIES},
        fit=fit_key(settings.resolved()),
    )
    try:
        return user_cache() / "rates" / f"{name}.json"
    except RuntimeError:
        return None


def _read(path: Path | None, names: frozenset[str]) -> Rates | None:
    """The rates in a file; None if there is none, or one without some of these names."""
    try:
        found = None if path is None else Rates.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    whole = found is not None and found.seconds.keys() >= names and found.disk_row.keys() >= _FILLING
    return found if whole else None


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int:
    """Memory of the machine, or the limit of the container if that is less."""
    try:
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
    with contextlib.suppress(OSError, ValueError):  # no limit is the word max
        return min(found, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    return found
