"""The models that a comparison can name: releases, held candidates and evaluations."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.evaluate.comparison.costs import own_figures, read_cost
from matinee.evaluate.comparison.stored_candidate import StoredCandidate
from matinee.evaluate.paired_lists import RankedModel
from matinee.evaluate.released_model import ReleasedModel
from matinee.formats.comparison import ComparedModelNote
from matinee.formats.manifests import CandidateManifest, EvaluationManifest, WrittenSettings
from matinee.registry import CHAMPION, Registry
from matinee.release.arrays import Floats, Ids
from matinee.release.manifest import read_manifest
from matinee.release.ranking_model import RANKING
from matinee.release.release import WEIGHTS
from matinee.store import Store
from matinee.store.documents import MANIFEST, read_json
from matinee.store.versions import is_version

_SHORTEST = 4  # characters of a digest that name a model
_DIGEST_SHOWN = 10
_SETTINGS = "settings.json"


class TestedModel(Protocol):
    """A tested model, as functions of columns of ids."""

    def predict(self, user_ids: Ids, movie_ids: Ids, /) -> Floats:
        """Predicted ratings of pairs."""

    def was_trained_on(self, user_ids: Ids, movie_ids: Ids, ratings: Floats, /) -> NDArray[np.bool_]:
        """Which rows the model was fitted on, or its best epoch was selected by."""

    def knows_ids(self, user_ids: Ids, movie_ids: Ids, /) -> NDArray[np.bool_]:
        """Which pairs have a user and a movie that the model was fitted on."""

    def lists(self) -> RankedModel | None:
        """The ranking model, None without one."""


@dataclass(frozen=True)
class Subject:
    """One of the models of a comparison."""

    note: ComparedModelNote
    model: TestedModel
    settings: WrittenSettings
    ids: tuple[str, str]  # the kinds of the ids of users and movies
    plays: bool


def find_subjects(store: Store, names: Sequence[str]) -> list[Subject]:
    """The models of some names.

    Args:
        store: The store.
        names: Versions, `champion`, folders of releases, and first characters of digests of candidates or evaluations.

    Raises:
        ConfigError: A name is unknown or ambiguous, or the models cannot be compared.
        ReleaseError: The champion is named, and there is none.
    """
    found = [_find(store, name) for name in names]
    listed = ", ".join(each.note.name for each in found)
    if len({each.plays for each in found}) > 1:
        raise ConfigError(
            f"{listed} can't be compared: some were trained on ratings, and some on plays. Name models of one kind."
        )
    if len({each.ids for each in found}) > 1:
        raise ConfigError(
            f"{listed} can't be compared: some have integers as ids, and some have text. Name models of one kind."
        )
    return found


def _find(store: Store, name: str) -> Subject:
    if is_version(name) or name == CHAMPION:
        return _release(store, Registry.open(store.root).named(name))
    if os.sep in name or (Path(name) / MANIFEST).is_file():
        return _release(store, Path(name))
    return _candidate(store, _evaluation(store, name))


def _release(store: Store, folder: Path) -> Subject:
    manifest = read_manifest(folder)
    tested = store.read_if_kept(CandidateManifest, manifest.candidate)
    note = ComparedModelNote(
        name=_name(store, folder, manifest.version),
        kind="release",
        location=str(folder),
        model=manifest.model,
        created=manifest.created,
        dataset=manifest.dataset,
        split=manifest.split.digest if manifest.split else None,
        rows_fitted=tested.rows if tested else manifest.rows_fitted,
        figures=own_figures(folder),
        cost=read_cost(
            store,
            candidate=manifest.candidate,
            ranking=manifest.ranking,
            evaluation=manifest.evaluation,
            files=[folder / WEIGHTS, folder / RANKING],
            seconds_train=manifest.training.seconds_train,
        ),
    )
    settings = read_json(folder / _SETTINGS) if (folder / _SETTINGS).is_file() else {}
    kinds = manifest.ids.get("user_id", "integer"), manifest.ids.get("movie_id", "integer")
    return Subject(note, ReleasedModel(store, folder), settings, kinds, manifest.feedback == "implicit")


def _name(store: Store, folder: Path, version: str) -> str:
    """The version, with the name of the store if it is another one."""
    place = folder.resolve()
    ours = place == Registry(store.root).folder(version).resolve()
    return version if ours or len(place.parents) < 2 else f"{place.parents[1].name}/{version}"


def _candidate(store: Store, judged: EvaluationManifest) -> Subject:
    model = StoredCandidate(store, judged)
    held = {hold.candidate for hold in Registry.open(store.root).held()}
    files = [
        *([] if model.candidate is None else [store.folder("candidates", judged.candidate) / WEIGHTS]),
        *([store.folder("rankings", judged.ranking) / RANKING] if judged.ranking else []),
    ]
    note = ComparedModelNote(
        name=judged.candidate[:_DIGEST_SHOWN],
        kind="held candidate" if judged.candidate in held else "candidate",
        location=str(files[0].parent),
        model=model.candidate.model if model.candidate else "ranking",
        created=None,
        dataset=model.split.dataset,
        split=judged.split,
        rows_fitted=model.rows_fitted,
        figures=own_figures(store.folder("evaluations", judged.digest)),
        cost=read_cost(
            store,
            candidate=judged.candidate,
            ranking=judged.ranking,
            evaluation=judged.digest,
            files=files,
        ),
    )
    return Subject(note, model, judged.settings, model.ids, model.split.feedback == "implicit")


def _evaluation(store: Store, name: str) -> EvaluationManifest:
    """The evaluation of a digest, or the latest one of a candidate."""
    every = list(_evaluations(store)) if len(name) >= _SHORTEST else []
    found = [each for each in every if each.digest.startswith(name) or each.candidate.startswith(name)]
    models = {each.candidate for each in found}
    if len(models) == 1:
        return found[-1]
    fault = f"More than one candidate has a digest that begins with {shown(name)}"
    if not models:
        fault = f"No release, candidate or evaluation is named {shown(name)}"
    registry = Registry.open(store.root)
    held = ", ".join(hold.candidate for hold in registry.held())
    raise ConfigError(
        f"{fault} in {store.root}. Give a version, the folder of a release, or at least {_SHORTEST} characters of a "
        f"digest. Releases: {', '.join(registry.versions()) or 'none'}. Held candidates: {held or 'none'}."
    )


def _evaluations(store: Store) -> Iterator[EvaluationManifest]:
    """All evaluations of a store, oldest first."""
    for name in store.names(EvaluationManifest.KIND):
        yield store.read(EvaluationManifest, name)
