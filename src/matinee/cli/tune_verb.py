"""The verb `tune`."""

import argparse
import time
from pathlib import Path

from matinee.cli.object_sources import fetch_sources
from matinee.cli.outcome import Outcome
from matinee.cli.verbs import check_sources, settings_of, sources_of
from matinee.errors import ConfigError
from matinee.formats.tuning import STATES_IN_WORDS, TuningResult
from matinee.ops.connection import answering
from matinee.ops.temporary_server import start_server
from matinee.store import progress

_BEST = Path("best.toml")


def tune(call: argparse.Namespace) -> Outcome:
    """Run the tune flow in this process."""
    from matinee.pipeline.tuning.trials import check_installed

    started = time.perf_counter()
    check_installed()
    settings = settings_of(call)
    settings.for_test_files(call.test)  # before Prefect is waited for
    _check_numbers(call)
    out = _check_out(call.out or _BEST)
    fetch_sources(call)
    check_sources(call.store, [*call.ratings, call.titles, *call.test])
    progress.begin("starting Prefect")
    server = start_server(quiet=not call.verbose)
    from matinee.flows.tune import tune as flow

    if server:
        server.wait()
    with answering():
        found = flow(
            **sources_of(call),
            store=str(call.store.absolute()),
            trials=call.trials,
            minutes=call.minutes,
            goal=call.goal,
            settings=settings,
            out=str(out.absolute()),
            workers=call.workers,
        )
    return tuned(found, call.store, seconds=time.perf_counter() - started)


def _check_numbers(call: argparse.Namespace) -> None:
    from matinee.pipeline.tuning.run import MOST_TRIALS, MOST_WORKERS

    if call.trials > MOST_TRIALS:
        raise ConfigError(f"--trials is {call.trials:,}; expected {MOST_TRIALS:,} or fewer.")
    if call.workers > MOST_WORKERS:
        raise ConfigError(f"--workers is {call.workers:,}; expected {MOST_WORKERS} or fewer.")
    if call.minutes is not None and call.minutes <= 0:
        raise ConfigError(f"--minutes is {call.minutes:g}; expected more than 0.")


def _check_out(asked: Path) -> Path:
    """The file for the settings. Raises ConfigError if it or the page would replace a file of somebody else."""
    from matinee.pipeline.tuning.run import HEADING
    from matinee.store.output import check_output

    out = check_output(asked)
    if out.suffix != ".toml":
        raise ConfigError(
            f"--out {out} is not a .toml file, so --settings would read it as JSON. Use a name such as {_BEST}."
        )
    written = out.is_file() and HEADING in out.read_text("utf-8", "replace")
    for path in (out, out.with_suffix(".html")):
        if path.exists() and not written:
            raise ConfigError(
                f"{path} was not written by `matinee tune` and would be replaced. Use another --out."
            )
    return out


def tuned(found: TuningResult, store: Path, *, seconds: float) -> Outcome:
    """The result of a search in a store; `seconds` is the time of the whole command."""
    facts = {**found.model_dump(), "seconds_in_all": round(seconds, 3)}
    notable = [*(each.says for each in found.goals), f"settings  {found.out}"]
    return Outcome(facts, _lines(found, store, seconds=seconds), notable=notable)


def _lines(found: TuningResult, store: Path, *, seconds: float) -> list[str]:
    lines = [each.says for each in found.goals]
    for result in found.goals:
        states = [note.state for note in result.trials]
        counts = [
            f"{states.count(state)} {word}" for state, word in STATES_IN_WORDS.items() if state in states
        ]
        lines.append(f"{result.goal:<9} {len(states)} trials: {', '.join(counts)}")
    lines += [f"setting   {name} = {value}" for name, value in found.settings.items()]
    return [
        *lines,
        f"time      {seconds:.1f} s in all: search {found.seconds:.1f} s; the rest is start-up and reading the files",
        f"search    {found.study}: shown again by `matinee show --store {store} {found.study}`",
        f"settings  {found.out}{'' if found.settings else ' (no better settings were found)'}",
        f"page      {found.page}",
    ]
