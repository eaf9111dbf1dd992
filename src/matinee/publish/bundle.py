"""Writes the folder of a release from the folders of the steps; it does not change the champion."""

import shutil
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from matinee.errors import ReleaseError
from matinee.evaluate.drift import add_up
from matinee.evaluate.metrics_file import AnyMetrics, read_metrics
from matinee.formats.dataset import Profile
from matinee.formats.decision import DecisionFile, RefitVerdict, Verdict
from matinee.formats.manifests import CandidateManifest, RankingManifest, SplitManifest
from matinee.publish.card import write_card, write_examples
from matinee.registry import now
from matinee.release import SCHEMA_VERSION, TESTED, WEIGHTS, inspect, sha256
from matinee.release.item_catalog import LEVELS, MOVIES, OFFSETS
from matinee.release.manifest import (
    PLAYS_SCHEMA_VERSION,
    CutoffsNote,
    DataNote,
    DecisionNote,
    ReleasedModelName,
    ReleaseManifest,
    SplitNote,
    SplitRule,
    TrainingNote,
)
from matinee.release.plays import PLAYS_MODEL
from matinee.release.ranking_model import RANKING, TESTED_RANKING
from matinee.release.rating_levels import to_levels
from matinee.release.signature import sign, signing_key
from matinee.release.user_prior import PRIOR, estimate_user_prior
from matinee.release.weights import halve_weights, read_weights
from matinee.settings import Settings
from matinee.split.hash_split import SUBSETS
from matinee.store import Reference, Store
from matinee.store.checksums import sync_folder
from matinee.store.digests import digest_of
from matinee.store.documents import MANIFEST, read_as
from matinee.store.files import copy_tree, write_json

_VERSIONS_OF = ("matinee", "numpy", "polars", "pyarrow", "torch")


@dataclass(frozen=True)
class Bundle:
    """The inputs of a release, and the writer of its folder."""

    store: Store
    dataset: Reference
    split: Reference
    candidate: Reference | None  # has the tested weights; None for plays, where the ranking model is all
    shipped: Reference | None  # has the weights to publish
    ranking: Reference | None  # the ranking model that was tested; None for a candidate of an earlier version
    shipped_ranking: Reference | None  # the one to publish
    settings: Settings
    refit: RefitVerdict | None = None  # the result of the refit check

    @property
    def digest(self) -> str:
        """The digest of the published weights: equal digests mean the same release."""
        return digest_of(**self._models())

    @property
    def judged(self) -> Reference:
        """What the gate judged, by whose digest a hold is known: the candidate, or the ranking model of plays."""
        found = self.candidate or self.ranking
        assert found is not None  # nosec B101 # for mypy: a release has at least one of the two
        return found

    def write(self, folder: Path, *, version: str, evaluation: Reference, decision: DecisionFile) -> None:
        """Write the release beside its place and rename it there: it is whole or absent, and it loads.

        The release is signed if a signing key is configured. Raises ReleaseError if it could not be loaded.
        """
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        self._copy(partial, evaluation)
        self._write_seen(partial)
        self._write_user_prior(partial)
        metrics = read_metrics(self.store.path(evaluation))
        manifest = self._manifest(version, evaluation, decision, metrics=metrics)
        write_json(partial / "settings.json", self.settings.spelled_out())
        write_examples(partial, self.store.path(evaluation))
        write_card(
            partial,
            manifest=manifest,
            metrics=metrics,
            profile=read_as(self.store.path(self.dataset) / Profile.NAME, Profile),
            candidate=None
            if self.candidate is None
            else self.store.read(CandidateManifest, self.candidate.digest),
        )
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        checksums = {path.relative_to(partial).as_posix(): sha256(path) for path in files}
        write_json(partial / MANIFEST, manifest.model_copy(update={"files": checksums}))
        if signing_key() is not None:
            sign(partial)
        try:
            inspect(partial)
        except ReleaseError:
            shutil.rmtree(partial)
            raise
        sync_folder(partial)
        partial.rename(folder)

    def _copy(self, folder: Path, evaluation: Reference) -> None:
        copy = halve_weights if self.settings.release.storage == "float16" else shutil.copyfile
        if self.candidate is not None and self.shipped is not None:
            copy(self.store.path(self.shipped) / WEIGHTS, folder / WEIGHTS)
            if self.shipped != self.candidate:
                copy(self.store.path(self.candidate) / WEIGHTS, folder / TESTED)
        if self.ranking is not None and self.shipped_ranking is not None:
            halve_weights(self.store.path(self.shipped_ranking) / RANKING, folder / RANKING)
            if self.shipped_ranking != self.ranking:
                halve_weights(self.store.path(self.ranking) / RANKING, folder / TESTED_RANKING)
        for name in ("users.parquet", "movies.parquet"):
            shutil.copyfile(self.store.path(self.split) / name, folder / name)
        shutil.copyfile(self.store.path(evaluation) / "metrics.json", folder / "metrics.json")
        if (plots := self.store.path(evaluation) / "plots").exists():  # none of plays
            copy_tree(plots, folder / "plots")

    def _write_seen(self, folder: Path) -> None:
        """Write the movies that each user rated, in any subset, as two arrays: offsets by user, and movie codes."""
        source = self.store.path(self.split)
        rows = pl.concat(
            pl.read_parquet(source / f"{subset}.parquet", columns=["user_code", "movie_code", "rating"])
            for subset in SUBSETS
        ).sort("user_code", "movie_code")
        users = pl.read_parquet(source / "users.parquet", columns=["user_id"]).height
        counts = np.bincount(rows["user_code"].to_numpy(), minlength=users)
        np.save(folder / OFFSETS, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
        np.save(folder / MOVIES, rows["movie_code"].to_numpy().astype(np.int32))
        if self.ranking is not None:
            low, high = self.store.read(SplitManifest, self.split.digest).scale
            np.save(folder / LEVELS, to_levels(rows["rating"].to_numpy(), (low, high)))

    def _models(self) -> dict[str, str]:
        """The digests of the models; no ranking model for a candidate of an earlier version."""
        found = {
            "candidate": self.judged.digest,
            "shipped": (self.shipped or self.shipped_ranking or self.judged).digest,
        }
        if self.ranking is None or self.shipped_ranking is None:
            return found
        return found | {"ranking": self.ranking.digest, "shipped_ranking": self.shipped_ranking.digest}

    def _write_user_prior(self, folder: Path) -> None:
        """Write what fold_in needs for new users, if the model supports it."""
        if self.shipped is None:
            return
        weights = read_weights(folder / WEIGHTS)
        if "user_factors" in weights:
            write_json(folder / PRIOR, estimate_user_prior(weights, self.store.path(self.split)).to_file())

    def _manifest(
        self, version: str, evaluation: Reference, decision: DecisionFile, *, metrics: AnyMetrics
    ) -> ReleaseManifest:
        """The manifest, in which the files are still missing."""
        split = self.store.read(SplitManifest, self.split.digest)
        rows = add_up(split.counts_per_rating)
        models, fitted = self._models(), self._fitted()
        return ReleaseManifest(
            version=version,
            schema_version=PLAYS_SCHEMA_VERSION if fitted.model == PLAYS_MODEL else SCHEMA_VERSION,
            digest=self.digest,
            created=now(),
            model=fitted.model,
            feedback="implicit" if fitted.model == PLAYS_MODEL else "explicit",
            scale=split.scale,
            metrics={**metrics.flat()},
            decision=DecisionNote(reason=decision.reason, champion=decision.champion),
            judged_against=decision.champion,
            judged_anchor=decision.anchor,
            data=DataNote(
                rows_per_rating={str(rating): count for rating, count in rows.items()},
                drifts=decision.drifts,
            ),
            refit=Verdict.model_validate(self.refit.model_dump()) if self.refit else None,
            candidate=models["candidate"],
            shipped=models["shipped"],
            ranking=models.get("ranking"),
            shipped_ranking=models.get("shipped_ranking"),
            evaluation=evaluation.digest,
            dataset=self.dataset.digest,
            split=_describe_split(split),
            training=fitted.training,
            rows_fitted=fitted.rows,
            versions={name: installed(name) for name in _VERSIONS_OF},
            files={},
        )

    def _fitted(self) -> "_Fitted":
        if self.candidate is None or self.shipped is None:
            ranking = self.store.read(RankingManifest, (self.shipped_ranking or self.judged).digest)
            return _Fitted(PLAYS_MODEL, TrainingNote(seconds_rank=ranking.seconds_rank), ranking.rows)
        candidate = self.store.read(CandidateManifest, self.candidate.digest)
        training = TrainingNote(
            device=candidate.device,
            epochs_run=candidate.epochs_run,
            best_epoch=candidate.best_epoch,
            valid_rmse=candidate.valid_rmse,
            seconds_train=candidate.seconds_train,
        )
        return _Fitted(
            candidate.model, training, self.store.read(CandidateManifest, self.shipped.digest).rows
        )


class _Fitted(NamedTuple):
    """The model of a release, how its tested weights were fitted, and the rows of the published ones."""

    model: ReleasedModelName
    training: TrainingNote
    rows: int


def _describe_split(split: SplitManifest) -> SplitNote:
    cutoffs = split.cutoffs
    return SplitNote(
        digest=split.digest,
        dataset=split.dataset,
        settings=SplitRule.model_validate(split.settings),
        counts=split.counts,
        cutoffs=None if cutoffs is None else CutoffsNote.model_validate(cutoffs.model_dump()),
        inherited=split.inherited,
    )
