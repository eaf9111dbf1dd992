"""The verb `retrain`. It imports little at the top, since a process for Prefect's server starts before the rest."""

import argparse
import contextlib
import time
from typing import TYPE_CHECKING

from matinee.cli.outcome import Outcome
from matinee.ops.prefect_server import may_name_server
from matinee.ops.temporary_server import TemporaryServer, import_engines, start_server, warm_up

if TYPE_CHECKING:
    from matinee.pipeline.summary import Summary
    from matinee.settings import Settings

_HELD = 4


def retrain(call: argparse.Namespace) -> Outcome:
    """Run the retrain flow in this process."""
    started = time.perf_counter()
    warm = warm_up(quiet=not call.verbose)
    with contextlib.ExitStack() as unused:  # the process is not left behind by a wrong call
        if warm:
            unused.callback(warm.end)
        settings = _check(call)
        finished = _find_finished(call, settings)
        if not finished:
            unused.pop_all()
    summary = finished or _run_flow(call, settings, warm)
    return _retrained(call, summary, seconds=time.perf_counter() - started)


def _check(call: argparse.Namespace) -> "Settings":
    """The settings of a call without mistakes; raises ConfigError before Prefect is waited for."""
    from matinee.cli.object_sources import fetch_sources
    from matinee.cli.verbs import check_sources, settings_of

    settings = settings_of(call)
    settings.for_test_files(call.test)
    fetch_sources(call)
    check_sources(call.store, [*call.ratings, call.titles, *call.test])
    if call.mlflow:
        from matinee.pipeline.tracking import check_tracking

        check_tracking(call.mlflow)
    return settings


def _find_finished(call: argparse.Namespace, settings: "Settings") -> "Summary | None":
    """The result of an identical run. Without a server to record this one, Prefect need not start for it."""
    from matinee.cli.verbs import sources_of
    from matinee.registry import Registry

    if call.mlflow or may_name_server() or not Registry(call.store).log():
        return None
    from matinee.pipeline.finished import find_finished

    return find_finished(**sources_of(call), store=call.store.absolute(), settings=settings)


def _run_flow(call: argparse.Namespace, settings: "Settings", warm: TemporaryServer | None) -> "Summary":
    from matinee.cli.verbs import sources_of
    from matinee.ops.connection import answering
    from matinee.ops.garbage import importing
    from matinee.store import progress

    progress.begin("starting Prefect")
    with importing():
        server = start_server(warm, quiet=not call.verbose)
        from matinee.flows.retrain import retrain as flow

        if server:
            from matinee.pipeline.preload import preload

            import_engines()
            preload()
    if server:
        server.wait()
    with answering():
        return flow(
            **sources_of(call),
            store=str(call.store.absolute()),
            settings=settings,
            mlflow=call.mlflow,
        )


def _retrained(call: argparse.Namespace, summary: "Summary", *, seconds: float) -> Outcome:
    from matinee.cli.run_report import run_lines, warning_lines

    status = _HELD if call.fail_on_hold and not summary.promoted else 0
    lines = run_lines(summary, ratings=call.ratings, store=call.store, seconds=seconds)
    held = [] if summary.promoted else [line for line in lines if line.startswith(("gate", "release"))]
    return Outcome(summary.model_dump(), lines, status, notable=[*warning_lines(summary.warnings), *held])
