"""The commands whose changes of files fail one at a time, and what must hold after each."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import matinee
from matinee import pipeline
from matinee.ingest.inbox.intake import remember, take_in
from matinee.maintenance.forget import forget
from matinee.maintenance.prune import prune
from matinee.maintenance.user_search import has_user, row_of
from matinee.registry import Registry
from matinee.sample import write_sample
from matinee.settings import Settings
from matinee.settings.parse import read_settings
from matinee.store import Store
from matinee.store.documents import KINDS
from matinee.store.erased_users import ErasedUser, Forgotten

_QUICK = [
    "train.epochs=2",
    "train.patience=0",
    "train.device=cpu",
    "gate.tolerance=1",
    "model.embedding_size=4",
]


@dataclass(frozen=True)
class Drilled:
    """A command that changes the store at a root, and how to recognise that it is done."""

    name: str
    run: Callable[[Path], Any]
    champions: tuple[str, str]  # before and after
    check: Callable[[Path], None] = lambda root: None
    gone: frozenset[str] = frozenset()  # releases that it removes


def settings(seed: int) -> Settings:
    """The settings of the n-th night, with a separate seed, so each night gives another release."""
    return read_settings(assignments=[*_QUICK, f"train.seed={seed}"])


def build(root: Path, *, nights: int = 4) -> None:
    """Build a store of some nights below `root`, and their drop folder."""
    drop = root / "drop"
    write_sample(drop, ratings=3_000, users=100, movies=60, seed=1)
    (drop / "truth.json").unlink()
    for seed in range(nights):
        pipeline.retrain(
            drop / "ratings.csv", drop / "movie_titles.csv", root / "store", settings=settings(seed)
        )


def commands(template: Path) -> Iterator[Drilled]:
    """Each command, for copies of the template with releases v0001 to v0004, the last of which is the champion."""
    user = int(matinee.load(Registry(template / "store").folder("v0001")).users.ids[3])
    yield Drilled("promote", lambda root: Registry.open(root / "store").promote("v0001"), ("v0004", "v0001"))
    yield Drilled("rollback", lambda root: Registry.open(root / "store").rollback(), ("v0004", "v0003"))
    yield Drilled(
        "prune",
        lambda root: prune(root / "store", keep=1),
        ("v0004", "v0004"),
        check=_is_pruned,
        gone=frozenset({"v0002"}),
    )
    yield Drilled(
        "forget",
        lambda root: forget(root / "store", user),
        ("v0004", "v0004"),
        check=partial(_is_forgotten, user=user),
    )
    yield Drilled("publish", publish, ("v0004", "v0005"), check=_is_published)
    yield Drilled(
        "night", _night, ("v0004", "v0005"), check=_is_published, gone=frozenset({"v0002", "v0003"})
    )


def publish(root: Path) -> None:
    """The last step of a run whose other steps are finished in the template of this command."""
    drop = root / "drop"
    pipeline.retrain(drop / "ratings.csv", drop / "movie_titles.csv", root / "store", settings=settings(4))


def _night(root: Path) -> None:
    """The steps of the nightly flow, without Prefect."""
    store, chosen = Store.open(root / "store"), settings(4)
    with store.in_use():
        found = take_in(store, root / "drop", titles="movie_titles.csv", settings=chosen, settle_seconds=0)
        if found.new:
            pipeline.retrain(found.ratings, found.titles, store.root, settings=chosen)
            remember(store, found)
    prune(store.root, keep=2)


def _is_pruned(root: Path) -> None:
    assert Registry(root / "store").versions() == ["v0001", "v0003", "v0004"]
    assert not list((root / "store").glob("*/*.pruned")), "what is hidden is deleted"


def _is_published(root: Path) -> None:
    assert "v0005" in Registry(root / "store").versions()


def _is_forgotten(root: Path, *, user: int) -> None:
    registry = Registry(root / "store")
    assert Forgotten.read(registry.root).holds(user)
    erased = ErasedUser.of(user)
    for version in registry.versions():
        assert row_of(registry.folder(version) / "users.parquet", erased) is None
    for folder in [folder for kind in KINDS for folder in (registry.root / kind).glob("*")]:
        assert not folder.suffix, folder
        assert not has_user(folder, erased), folder
