"""The verbs of the command line: each reads its call, asks the library and returns an Outcome."""

import argparse
import contextlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from matinee.cli.object_sources import fetch_sources
from matinee.cli.outcome import Outcome
from matinee.cli.run_report import reject_lines, rows_line, warning_lines
from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.registry import Registry
from matinee.registry.champion import load
from matinee.release import TESTED
from matinee.release.ranking_model import TESTED_RANKING
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store.database_address import absolute_source, is_address
from matinee.store.identity import check_usable
from matinee.store.paths import check_apart, expand

if TYPE_CHECKING:
    from matinee.maintenance.pruned import Pruned


def sample(call: argparse.Namespace) -> Outcome:
    """Write ratings, titles and truth.json."""
    from matinee.sample import write_sample

    started = time.perf_counter()
    truth = write_sample(
        call.out,
        ratings=call.ratings,
        users=call.users,
        movies=call.movies,
        seed=call.seed,
        format=call.format,
        dirty=call.dirty,
        feedback=call.feedback,
        ids=call.ids,
    )
    facts = json.loads((call.out / "truth.json").read_text("utf-8"))
    what = "plays" if truth.best_rmse is None else "ratings"
    text = f"{call.ratings:,} {what} in {call.out} in {time.perf_counter() - started:.1f} s"
    if truth.best_rmse is not None:
        text += f"; the lowest possible RMSE is {truth.best_rmse:.4f}"
    return Outcome(facts, text, notable=())


def ingest(call: argparse.Namespace) -> Outcome:
    """Read the sources into the store, without Prefect."""
    from matinee import ingest as library
    from matinee.formats.dataset import Profile
    from matinee.formats.manifests import DatasetManifest
    from matinee.ingest.databases import snapshots
    from matinee.store import Store
    from matinee.store.documents import read_as

    settings = section_settings(call, "ingest")
    started = time.perf_counter()
    fetch_sources(call)
    check_apart(call.store, sources=[*call.ratings, call.titles])
    store = Store.open(call.store)
    with snapshots(call.store, call.ratings, limits=settings.ingest) as ratings:
        plan = library.plan(store, ratings=ratings, titles=Path(call.titles), settings=settings.ingest)
        dataset = store.ensure(plan)
    manifest = store.read(DatasetManifest, dataset.digest)
    facts = {
        "dataset": dataset.digest,
        "rows": manifest.row_counts,
        "ids": manifest.ids,
        "rejects": manifest.rejects,
        "title_rejects": manifest.title_rejects,
        "warnings": manifest.warnings,
        "profile": read_as(store.path(dataset) / Profile.NAME, Profile).model_dump(),
        "seconds": {"ingest": round(time.perf_counter() - started, 3)},
    }
    warnings = warning_lines(manifest.warnings)
    lines = [
        f"dataset   {store.path(dataset)}",
        rows_line(manifest.row_counts),
        *reject_lines(manifest.rejects),
        *warnings,
    ]
    return Outcome(facts, lines, notable=warnings)


def predict(call: argparse.Namespace) -> Outcome:
    """Add a prediction to each row of a file of pairs."""
    from matinee.cli.progress_line import hidden
    from matinee.release.predict_file import predict_file
    from matinee.store.output import is_stdout

    if (aside := is_stdout(call.out)) and call.json:
        raise ConfigError(
            f"--out {call.out} writes the predictions to stdout, and --json writes its line there too. Leave out one "
            "of the two."
        )
    release = load(Registry.open(call.store).champion_folder())
    started = time.perf_counter()
    settings = section_settings(call, "ingest").ingest
    with hidden() if aside else contextlib.nullcontext():
        done = predict_file(release, call.pairs, out=call.out, settings=settings)
    seconds = round(time.perf_counter() - started, 3)
    unknown = {"user": done.unknown_user, "movie": done.unknown_movie}
    facts = {
        "release": release.version,
        "rows": done.rows,
        "unknown": unknown,
        "out": str(call.out),
        "seconds": {"predict": seconds},
    }
    where = "on stdout" if aside else f"in {call.out}"
    lines = [f"{done.rows:,} predictions by {release.version} {where}"]
    if found := [f"{rows:,} with an unknown {axis}" for axis, rows in unknown.items() if rows]:
        lines.append(f"{' and '.join(found)}: predicted by the mean rating and the bias of the known id")
    return Outcome(facts, lines, aside=aside, notable=lines[1:])


def evaluate(call: argparse.Namespace) -> Outcome:
    """Measure the champion on the ratings of files, without the rows that it was trained on."""
    from matinee.cli.evaluate_lines import evaluate_lines
    from matinee.ingest.databases import snapshots
    from matinee.monitor.file_evaluation import evaluate_champion
    from matinee.monitor.play_evaluation import PlayFileEvaluation
    from matinee.store import Store

    root = Registry.open(call.store).root
    check_usable(root)
    fetch_sources(call)
    check_apart(root, sources=call.test)
    settings = section_settings(call, "ingest").ingest
    store = Store(root)
    with store.in_use(), snapshots(root, call.test, limits=settings) as test:  # prune keeps the dataset
        trial = evaluate_champion(store, test, settings)
    rows = {"read": trial.rows_read, "accepted": trial.rows_accepted, "rejected": trial.rows_rejected}
    lines = [
        rows_line(rows),
        *reject_lines(trial.rejects),
        *warning_lines(trial.warnings),
        f"{_judged(root, trial.release)} on {trial.rows:,} "
        f"{'plays' if isinstance(trial, PlayFileEvaluation) else 'ratings'} that it was not trained on "
        f"({trial.rows_seen:,} others left out)",
        *evaluate_lines(trial),
    ]
    return Outcome(trial.model_dump(), lines)


def _judged(root: Path, release: str) -> str:
    """The release that is evaluated, with its weights if it answers with others."""
    folder = Registry(root).folder(release)
    refitted = any((folder / name).exists() for name in (TESTED, TESTED_RANKING))
    return f"{release} before its refit on all rows" if refitted else release


def promote(call: argparse.Namespace) -> Outcome:
    """Make a release, or a candidate that the gate held, the champion."""
    registry, version = Registry.open(call.store), call.version
    replaced: str | None
    made_from = ""
    if version in registry.versions() or not registry.held():
        replaced = registry.promote(version)
    else:
        from matinee.publish import publish_held
        from matinee.store import Store

        made_from = f", made from the held candidate {version}"
        version, replaced = publish_held(Store.open(call.store), version)
    facts = {"champion": version, "replaced": replaced or None}
    already = " already" if replaced == version else ""
    return Outcome(facts, f"{version} is{already} the champion{made_from}", notable=())


def rollback(call: argparse.Namespace) -> Outcome:
    """Go back to an earlier release."""
    registry = Registry.open(call.store)
    before = registry.champion()
    version = registry.rollback(call.version)
    facts = {"champion": version, "replaced": before}
    return Outcome(facts, f"{version} is the champion again and replaces {before}", notable=())


def prune(call: argparse.Namespace) -> Outcome:
    """Remove old releases, and the folders that no kept release was made from."""
    from matinee.maintenance.prune import prune as library

    done = library(call.store, keep=call.keep)
    lines = [
        f"removed   {_removed(done)}, {done.bytes / 1e6:,.1f} MB",
        f"kept      {', '.join(f'{name} ({why})' for name, why in done.why.items()) or 'no release'}{_held(done.held)}",
    ]
    return Outcome(asdict(done), lines, notable=())


def _removed(done: "Pruned") -> str:
    """What was removed, in words."""
    counts = {"held candidate": len(done.held_removed), "search": done.searches}
    others = _count(done.folders - sum(counts.values()), "other folder")
    named = [_count(number, name) for name, number in counts.items() if number]
    return f"{', '.join([', '.join(done.releases) or 'no release', *named])} and {others} that no kept release needs"


def _count(number: int, name: str) -> str:
    plural = f"{name}{'es' if name.endswith('ch') else 's'}"
    return f"{number:,} {name if number == 1 else plural}"


def settings_of(call: argparse.Namespace) -> Settings:
    """The settings of `--preset`, `--settings` and `--set`. Raises ConfigError if one is wrong."""
    return read_settings(preset=call.preset, file=call.settings, assignments=call.set)


def section_settings(call: argparse.Namespace, section: str) -> Settings:
    """The settings of `--settings` and `--set` for a verb that uses one section.

    Raises ConfigError if one is wrong, or if `--set` gives one that the verb does not use. A file may have them all.
    """
    settings = read_settings(file=call.settings, assignments=call.set)
    if unused := [text for text in call.set if not text.strip().startswith(f"{section}.")]:
        raise ConfigError(
            f"--set {shown(unused[0])} has no effect: `matinee {call.verb}` only uses settings of {section}. Leave it "
            "out."
        )
    return settings


class Sources(TypedDict):
    """What a flow reads: parameters of `retrain` and `tune`."""

    ratings: list[str]
    titles: str
    test: list[str]


def sources_of(call: argparse.Namespace) -> Sources:
    """The sources of a call as absolute paths, which do not depend on the folder of the process that runs the flow."""
    return Sources(
        ratings=[absolute_source(source) for source in call.ratings],
        titles=absolute_source(call.titles),
        test=[absolute_source(source) for source in call.test],
    )


def check_sources(store: Path, paths: list[str]) -> None:
    """Raise ConfigError for a path that is missing or misplaced, before anything is started."""
    check_usable(store)
    check_apart(store, sources=paths)
    missing = [
        path
        for path in paths
        if not is_address(path) and not any(match.exists() for match in expand(Path(path), missing_ok=True))
    ]
    if missing:
        verb = "do" if len(missing) > 1 else "does"
        raise ConfigError(f"{', '.join(missing)} {verb} not exist. Check the path; nothing was started.")


def _held(candidates: list[str]) -> str:
    return f"; held by the gate: {', '.join(candidates)}" if candidates else ""
