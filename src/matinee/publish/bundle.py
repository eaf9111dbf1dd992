"""Writes the folder of a release from the folders of the steps; it does not change the champion."""

import shutil
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from matinee.evaluate.drift import add_up
from matinee.evaluate.tested import Models
from matinee.formats.dataset import Profile
from matinee.formats.decision import DecisionFile, RefitVerdict, Verdict
from matinee.formats.manifests import CandidateManifest, DatasetManifest, RankingManifest, SplitManifest
from matinee.publish.card import write_card, write_examples
from matinee.publish.id_tables import write_id_tables
from matinee.publish.manifest_notes import describe_fit, describe_split
from matinee.registry import now
from matinee.release import SCHEMA_VERSION, TESTED, WEIGHTS, inspect, sha256
from matinee.release.item_catalog import LEVELS, MOVIES, OFFSETS
from matinee.release.manifest import (
    PLAYS_SCHEMA_VERSION,
    TEXT_SCHEMA_VERSION,
    DataNote,
    DecisionNote,
    ReleaseManifest,
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
from matinee.store.digests import code_digest, digest_of
from matinee.store.documents import MANIFEST, read_as
from matinee.store.files import copy_tree, write_json
from matinee.store.metrics_file import read_metrics
from matinee.store.ratings import count_rows, read_ratings
from matinee.store.remote import remote_of
from matinee.train.blocks import KernelPool
from matinee.train.ranking.rows import group_rows

_VERSIONS_OF = ("matinee", "numpy", "polars", "pyarrow", "torch")


@dataclass(frozen=True)
class Bundle:
    """The inputs of a release, and the writer of its folder."""

    store: Store
    split: Reference
    tested: Models
    shipped: Models  # the ones to publish
    settings: Settings
    refit: RefitVerdict | None = None  # the result of the refit check

    @property
    def digest(self) -> str:
        """The digest of the models, of their number form, and of the code of what is computed from them.

        Equal digests mean the same release.
        """
        storage = self.settings.release.storage
        code = code_digest("matinee.release.user_prior", "matinee.publish.id_tables")
        return digest_of(
            **self._digests(), code=code, **({} if storage == "float32" else {"storage": storage})
        )

    @property
    def _split_manifest(self) -> SplitManifest:
        return self.store.read(SplitManifest, self.split.digest)

    def write(self, folder: Path, *, version: str, evaluation: Reference, decision: DecisionFile) -> None:
        """Write the release next to its final place and rename it: it is complete or absent, and it loads.

        The release is signed if a signing key is configured. If anything fails, nothing is left. Raises ReleaseError if
        it could not be loaded.
        """
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            self._fill(partial, version=version, evaluation=evaluation, decision=decision)
            sync_folder(partial)
            partial.rename(folder)
            if remote := remote_of(self.store.root):
                remote.store_release(version)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _fill(self, partial: Path, *, version: str, evaluation: Reference, decision: DecisionFile) -> None:
        """Write all files of the release, and check that it loads."""
        partial.mkdir()
        self._copy_models(partial)
        self._write_tables(partial)
        self._copy_evaluation(partial, self.store.path(evaluation))
        self._write_seen(partial)
        self._write_user_prior(partial)
        write_json(partial / "settings.json", self.settings.spelled_out())
        manifest = self._manifest(version, evaluation, decision)
        self._write_card(partial, manifest)
        from matinee.publish.report.release_page import write_report  # noqa: PLC0415 - imports matplotlib

        write_report(partial, store=self.store, manifest=manifest)
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        checksums = {path.relative_to(partial).as_posix(): sha256(path) for path in files}
        write_json(partial / MANIFEST, manifest.model_copy(update={"files": checksums}))
        if signing_key() is not None:
            sign(partial)
        inspect(partial)

    def _copy_models(self, folder: Path) -> None:
        copy = halve_weights if self.settings.release.storage == "float16" else shutil.copyfile
        tested, shipped = self.tested, self.shipped
        if tested.candidate and shipped.candidate:
            copy(self.store.path(shipped.candidate) / WEIGHTS, folder / WEIGHTS)
            if shipped.candidate != tested.candidate:
                copy(self.store.path(tested.candidate) / WEIGHTS, folder / TESTED)
        if tested.ranking and shipped.ranking:
            halve_weights(self.store.path(shipped.ranking) / RANKING, folder / RANKING)
            if shipped.ranking != tested.ranking:
                halve_weights(self.store.path(tested.ranking) / RANKING, folder / TESTED_RANKING)

    def _write_tables(self, folder: Path) -> None:
        split = self._split_manifest
        write_id_tables(
            folder,
            split=self.store.path(self.split),
            scale=(split.scale[0], split.scale[1]),
            shipped=self._fitted_on(self.shipped),
            tested=self._fitted_on(self.tested),
        )

    def _fitted_on(self, models: Models) -> list[str]:
        """The subsets of the split that models were fitted on."""
        if models.ranking:
            return self.store.read(RankingManifest, models.ranking.digest).subsets
        return self.store.read(CandidateManifest, models.judged.digest).fitted_on  # of an earlier version

    @staticmethod
    def _copy_evaluation(folder: Path, evaluation: Path) -> None:
        shutil.copyfile(evaluation / "metrics.json", folder / "metrics.json")
        if (plots := evaluation / "plots").exists():  # none of plays
            copy_tree(plots, folder / "plots")
        write_examples(folder, evaluation)

    def _write_seen(self, folder: Path) -> None:
        """Write the movies that each user rated, in any subset, as two arrays: offsets by user, and movie codes."""
        source, (low, high) = self.store.path(self.split), self._split_manifest.scale
        rows = read_ratings(source, SUBSETS)
        users, movies = (count_rows(source / f"{axis}.parquet") for axis in ("users", "movies"))
        columns = rows.users, rows.movies, to_levels(rows.ratings, (low, high))
        del rows  # frees the ratings, four of twelve bytes per row
        # Sorting so many rows takes several times as long, and as much memory again.
        seen = group_rows(*columns, users=users, movies=movies, pool=KernelPool(1)).by_user
        np.save(folder / OFFSETS, seen.starts.astype(np.int64))
        np.save(folder / MOVIES, seen.others)
        if self.tested.ranking:
            np.save(folder / LEVELS, seen.codes)

    def _write_user_prior(self, folder: Path) -> None:
        """Write what fold_in needs for new users, if the model supports it."""
        if self.shipped.candidate is None:
            return
        weights = read_weights(folder / WEIGHTS)
        if "user_factors" in weights:
            rows = pq.read_table(folder / "movies.parquet", columns=["train_rows"])["train_rows"].to_numpy()
            prior = estimate_user_prior(weights, self.store.path(self.split), movie_rows=rows)
            write_json(folder / PRIOR, prior.to_file())

    def _write_card(self, folder: Path, manifest: ReleaseManifest) -> None:
        candidate, dataset = self.tested.candidate, self._split_manifest.dataset
        write_card(
            folder,
            manifest=manifest,
            metrics=read_metrics(folder),
            profile=read_as(self.store.folder("datasets", dataset) / Profile.NAME, Profile),
            candidate=self.store.read(CandidateManifest, candidate.digest) if candidate else None,
        )

    def _digests(self) -> dict[str, str]:
        """The digests of the models; no ranking model for a candidate of an earlier version."""
        found = {"candidate": self.tested.judged.digest, "shipped": self.shipped.judged.digest}
        if self.tested.ranking and self.shipped.ranking:
            found |= {"ranking": self.tested.ranking.digest, "shipped_ranking": self.shipped.ranking.digest}
        return found

    def _manifest(self, version: str, evaluation: Reference, decision: DecisionFile) -> ReleaseManifest:
        """The manifest, in which the files are still missing."""
        split = self._split_manifest
        fit = describe_fit(self.store, tested=self.tested, shipped=self.shipped)
        plays, models = fit.model == PLAYS_MODEL, self._digests()
        rows = add_up(split.counts_per_rating)
        ids = self.store.read(DatasetManifest, split.dataset).ids
        return ReleaseManifest(
            version=version,
            schema_version=_schema_version(plays=plays, text_ids="text" in ids.values()),
            digest=self.digest,
            created=now(),
            model=fit.model,
            feedback="implicit" if plays else "explicit",
            ids=ids,
            scale=split.scale,
            metrics={**read_metrics(self.store.path(evaluation)).flat()},
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
            dataset=split.dataset,
            split=describe_split(split),
            training=fit.training,
            rows_fitted=fit.rows,
            versions={name: installed(name) for name in _VERSIONS_OF},
            files={},
        )


def _schema_version(*, plays: bool, text_ids: bool) -> int:
    """The lowest version that a reader needs, so that earlier programs load all other releases."""
    if text_ids:
        return TEXT_SCHEMA_VERSION
    return PLAYS_SCHEMA_VERSION if plays else SCHEMA_VERSION
