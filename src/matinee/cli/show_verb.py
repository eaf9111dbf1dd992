"""The verb `show`."""

import argparse
import shlex
from collections.abc import Sequence
from typing import Final

from matinee.cli.outcome import Outcome
from matinee.cli.run_report import promotion
from matinee.cli.show_facts import show_dataset, show_release, show_run
from matinee.cli.show_lines import dataset_lines, run_lines
from matinee.cli.show_search import search_lines, show_search
from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.formats.manifests import EvaluationManifest
from matinee.registry import CHAMPION, Registry
from matinee.store import Store
from matinee.store.documents import TUNINGS
from matinee.store.entries import entries_of
from matinee.store.identity import check_usable
from matinee.store.remote import remote_of
from matinee.store.versions import is_version

_SHORTEST: Final = 4  # characters of a digest
_NEWEST: Final = 3  # that an error names


def show(call: argparse.Namespace) -> Outcome:
    """Print what a release, a dataset, a run or a search for settings is."""
    registry = Registry.open(call.store)
    check_usable(registry.root)
    store, name = Store(registry.root), call.name
    if name == CHAMPION or is_version(name):
        found = show_release(store, registry.named(name))
    elif dataset := _one_of(store.names("datasets"), name, "datasets"):
        facts = show_dataset(store, dataset)
        return Outcome(facts.model_dump(), list(dataset_lines(facts)))
    elif study := _one_of(_searches(store), name, TUNINGS):
        if remote := remote_of(store.root):
            remote.searches.bring(study)
        search = show_search(store, study)
        return Outcome(search.model_dump(), list(search_lines(search)))
    elif judged := _evaluation(store, name):
        found = show_run(store, judged)
    else:
        raise ConfigError(_unknown(registry, store, name))
    lines = list(run_lines(found))
    if found.held:
        candidate = found.digests["candidate"]
        if registry.champion():
            lines.append(
                f"compare   matinee compare --store {shlex.quote(str(call.store))} champion {candidate}"
            )
        lines += [
            f"promote   {promotion(call.store, candidate)}",
        ]
    return Outcome(found.model_dump(), lines)


def _one_of(digests: Sequence[str], name: str, kind: str) -> str | None:
    """The digest that begins with a name; None if there is none. Raises ConfigError if there are several."""
    found = [digest for digest in digests if len(name) >= _SHORTEST and digest.startswith(name)]
    if len(found) > 1:
        raise ConfigError(
            f"{len(found)} folders in {kind} have a digest that begins with {shown(name)}: {', '.join(found[:3])}. "
            "Give more characters."
        )
    return found[0] if found else None


def _searches(store: Store) -> list[str]:
    remote = remote_of(store.root)
    return remote.searches.listed() if remote else [path.name for path in entries_of(store.root, TUNINGS)]


def _evaluation(store: Store, name: str) -> EvaluationManifest | None:
    """The evaluation of a digest, the latest one of a candidate, or the only one of a ranking model or split.

    Raises ConfigError if several match.
    """
    if len(name) < _SHORTEST:
        return None
    every = [store.read(EvaluationManifest, digest) for digest in store.names(EvaluationManifest.KIND)]
    for part in ("digest", "candidate", "ranking", "split"):
        found = [each for each in every if getattr(each, part).startswith(name)]
        if len({getattr(each, part) for each in found}) > 1:
            raise ConfigError(f"Several digests begin with {shown(name)}. Give more characters.")
        if len(found) > 1 and part in ("ranking", "split"):
            raise ConfigError(
                f"{len(found)} runs have the {part} {shown(getattr(found[0], part))}. Give the digest of one of them: "
                f"{', '.join(each.digest for each in found)}."
            )
        if found:
            return found[-1]
    return None


def _unknown(registry: Registry, store: Store, name: str) -> str:
    named = {
        "Releases": registry.versions(),
        "Held candidates": [hold.candidate for hold in registry.held()],
        "Datasets": store.names("datasets"),
        "Runs": store.names(EvaluationManifest.KIND),
        "Searches": _searches(store),
    }
    listed = ". ".join(f"{kind}: {_newest(names)}" for kind, names in named.items())
    return (
        f"Nothing in {registry.root} is named {shown(name) or repr(name)}. Give a version such as v0002, or at least "
        f"{_SHORTEST} characters of the digest of a dataset, a candidate, an evaluation or a search. {listed}."
    )


def _newest(names: Sequence[str]) -> str:
    others = len(names) - _NEWEST
    return (", ".join(names[-_NEWEST:]) or "none") + (f" and {others} older" if others > 0 else "")
