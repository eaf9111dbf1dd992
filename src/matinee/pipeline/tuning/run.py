"""The whole search: trials until there are enough, repeats of the best, and the files that it leaves."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from matinee.formats.tuning import GoalResult, TuningResult
from matinee.pipeline.tuning.decision import decide
from matinee.pipeline.tuning.search import Call, Tuning, run_call
from matinee.pipeline.tuning.settings_file import settings_toml
from matinee.pipeline.tuning.sharing import share_search
from matinee.settings.space import with_values
from matinee.store import Store, progress
from matinee.store.files import write_bytes, write_json
from matinee.store.output import writing_to
from matinee.train.device_lock import device_name, hold

BEST, PAGE = "best.toml", "report.html"
MOST_TRIALS: Final = 10_000
MOST_WORKERS: Final = 64
HEADING: Final = "Written by `matinee tune`; use it with --settings."
Runner = Callable[[Sequence[Call]], object]

log = logging.getLogger("matinee.run")


def run_search(
    search: Tuning,
    *,
    trials: int,
    run: Runner,
    minutes: float | None = None,
    workers: int = 1,
    out: Path | None = None,
) -> TuningResult:
    """Run the trials and repeats that are missing, decide, and write best.toml, result.json and the page.

    Args:
        search: The search. Its finished trials count.
        trials: Number of trials per goal, that with the base settings included.
        run: Makes some calls, which may run at the same time, and returns when all have ended.
        minutes: No trial starts after this time. The repeats still run.
        workers: Maximum number of fits at the same time.
        out: A further place for the settings. The page goes next to it, with the ending .html.

    Returns:
        The result.

    Raises:
        ConfigError: The base settings can't be fitted.
        StoreError: The store can't be read or written, or another process is using the search.
    """
    started = time.monotonic()
    until = started + 60 * (math.inf if minutes is None else minutes)
    device = device_name(search.base.train.device)
    with search.alone():
        for goal in search.file.goals:
            known = len(search.trials[goal].notes())
            if 0 < known < trials:
                log.info("    %s: the search goes on after %d finished trials", goal, known)
            while calls := search.calls(goal, trials=trials, workers=workers, late=time.monotonic() >= until):
                progress.set_heading(_heading(calls, trials=trials))
                with hold(device):
                    run(calls)
                share_search(search.store, search.file.study)
        for goal in search.file.goals:
            for calls in _batches(search.repeat_calls(goal, workers=workers), workers):
                progress.set_heading(f"repeats of the best ({goal})")
                with hold(device):
                    run(calls)
                share_search(search.store, search.file.study)
        progress.set_heading("")
        results = [decide(search, goal) for goal in search.file.goals]
        return _write(search, results, seconds=time.monotonic() - started, out=out)


def _heading(calls: Sequence[Call], *, trials: int) -> str:
    """What is running, for the line of progress."""
    numbers = [str(call.number) for call in calls]
    which = f"trial {numbers[0]}" if len(numbers) == 1 else f"trials {numbers[0]} to {numbers[-1]}"
    return f"{calls[0].goal} {which} (0 to {trials - 1})"


def run_here(store: Store) -> Runner:
    """Makes calls one after another in this process."""
    return lambda calls: [run_call(store, call) for call in calls]


def chosen_values(results: Sequence[GoalResult]) -> dict[str, float | int]:
    """The settings to change; empty if the base settings stay."""
    found: dict[str, float | int] = {}
    for result in results:
        for finalist in result.finalists:
            if finalist.trial == result.chosen:
                found |= finalist.settings
    return found


def _batches(calls: list[Call], size: int) -> list[list[Call]]:
    return [calls[start : start + size] for start in range(0, len(calls), size)]


def _write(search: Tuning, results: list[GoalResult], *, seconds: float, out: Path | None) -> TuningResult:
    from matinee.pipeline.tuning.page import tuning_page  # noqa: PLC0415 - a nightly run needs no matplotlib for it

    progress.begin("writing the page")
    values = chosen_values(results)
    best = out or search.folder / BEST
    result = TuningResult(
        study=search.file.study,
        goals=results,
        settings=values,
        seconds=round(seconds, 3),
        out=str(best),
        page=str(best.with_suffix(".html") if out else search.folder / PAGE),
    )
    text = settings_toml(
        with_values(search.base, values), [HEADING, *(each.says for each in results)]
    ).encode()
    page = tuning_page(search.file, result).encode()
    write_bytes(search.folder / BEST, text)
    write_bytes(search.folder / PAGE, page)
    write_json(search.folder / TuningResult.NAME, result)
    share_search(search.store, search.file.study)
    if out is not None:
        for path, data in ((Path(result.out), text), (Path(result.page), page)):
            with writing_to(path) as file:
                file.write(data)
    return result
