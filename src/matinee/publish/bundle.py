"""Writes the folder of a release from the folders of the steps; it does not change the champion."""

import shutil
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from matinee.errors import ReleaseError
from matinee.evaluate.drift import add_up
from matinee.formats.dataset import Profile
from matinee.formats.decision import DecisionFile, RefitVerdict
from matinee.formats.manifests import CandidateManifest, SplitManifest
from matinee.formats.metrics import Metrics
from matinee.publish.card import write_card, write_examples
from matinee.registry import now
from matinee.release import SCHEMA_VERSION, TESTED, WEIGHTS, inspect, sha256
from matinee.release.item_catalog import LEVELS, MOVIES, OFFSETS
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
    candidate: Reference  # has the tested weights
    shipped: Reference  # has the weights to publish
    ranking: Reference | None  # the ranking model that was tested; None for a candidate of an earlier version
    shipped_ranking: Reference | None  # the one to publish
    settings: Settings
    refit: RefitVerdict | None = None  # the result of the refit check

    @property
    def digest(self) -> str:
        """The digest of the published weights: equal digests mean the same release."""
        return digest_of(
            candidate=self.candidate.digest,
            shipped=self.shipped.digest,
            **self._rankings(),
        )

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
        metrics = read_as(self.store.path(evaluation) / Metrics.NAME, Metrics)
        manifest = self._manifest(version, evaluation, decision, metrics=metrics)
        write_json(partial / "settings.json", self.settings.spelled_out())
        write_examples(partial, self.store.path(evaluation))
        write_card(
            partial,
            manifest=manifest,
            metrics=metrics,
            profile=read_as(self.store.path(self.dataset) / Profile.NAME, Profile),
            candidate=self.store.read(CandidateManifest, self.candidate.digest),
        )
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        manifest["files"] = {path.relative_to(partial).as_posix(): sha256(path) for path in files}
        write_json(partial / MANIFEST, manifest)
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
        copy_tree(self.store.path(evaluation) / "plots", folder / "plots")

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
            scale = self.store.manifest("splits", self.split.digest)["scale"]
            np.save(folder / LEVELS, to_levels(rows["rating"].to_numpy(), scale))

    def _rankings(self) -> dict[str, str]:
        """The digests of the ranking models; none for a candidate of an earlier version."""
        if self.ranking is None or self.shipped_ranking is None:
            return {}
        return {"ranking": self.ranking.digest, "shipped_ranking": self.shipped_ranking.digest}

    def _write_user_prior(self, folder: Path) -> None:
        """Write what fold_in needs for new users, if the model supports it."""
        weights = read_weights(folder / WEIGHTS)
        if "user_factors" in weights:
            write_json(folder / PRIOR, estimate_user_prior(weights, self.store.path(self.split)).to_json())

    def _manifest(
        self, version: str, evaluation: Reference, decision: DecisionFile, *, metrics: Metrics
    ) -> dict[str, Any]:
        split = self.store.read(SplitManifest, self.split.digest)
        candidate = self.store.read(CandidateManifest, self.candidate.digest)
        shipped = self.store.read(CandidateManifest, self.shipped.digest)
        return {
            "version": version,
            "schema_version": SCHEMA_VERSION,
            "digest": self.digest,
            "created": now(),
            "model": candidate.model,
            "scale": split.scale,
            "metrics": metrics.flat(),
            "decision": {"reason": decision.reason, "champion": decision.champion},
            "judged_against": decision.champion,
            "judged_anchor": decision.anchor,
            "data": {
                "rows_per_rating": add_up(split.counts_per_rating),
                "drifts": decision.drifts,
            },
            "refit": self.refit.model_dump() if self.refit else None,
            "candidate": self.candidate.digest,
            "shipped": self.shipped.digest,
            **self._rankings(),
            "evaluation": evaluation.digest,
            "dataset": self.dataset.digest,
            "split": {
                "digest": self.split.digest,
                "dataset": split.dataset,
                "settings": split.settings,
                "counts": split.counts,
                "cutoffs": split.cutoffs and split.cutoffs.model_dump(),
                "inherited": split.inherited,
            },
            "training": {
                "device": candidate.device,
                "epochs_run": candidate.epochs_run,
                "best_epoch": candidate.best_epoch,
                "valid_rmse": candidate.valid_rmse,
                "seconds_train": candidate.seconds_train,
            },
            "rows_fitted": shipped.rows,
            "versions": {name: installed(name) for name in _VERSIONS_OF},
        }
