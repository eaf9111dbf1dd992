"""The facts that `matinee show` prints: what the store knows of a release, a dataset or a run."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from matinee.cli.show_settings import changed_settings
from matinee.errors import ReleaseError, StoreError
from matinee.errors.text import shown
from matinee.formats.dataset import PartitionList, Profile
from matinee.formats.decision import DecisionFile, by_hand
from matinee.formats.manifests import (
    CandidateManifest,
    DatasetManifest,
    EvaluationManifest,
    RankingManifest,
    SplitManifest,
)
from matinee.formats.metrics import Metrics
from matinee.formats.shown import (
    ShownDataset,
    ShownFigure,
    ShownFile,
    ShownPromotion,
    ShownRule,
    ShownRun,
)
from matinee.registry import Entry, Registry
from matinee.release import sha256
from matinee.release.manifest import SIGNATURE, ReleaseManifest, read_manifest
from matinee.store import Store
from matinee.store.documents import MANIFEST, Document, read_as, read_if_there, read_json
from matinee.store.folders import bytes_in
from matinee.store.metrics_file import AnyMetrics, read_metrics

_SETTINGS: Final = "settings.json"
_REPORT: Final = "report.html"
_CERTAIN: Final = 1.96  # standard errors on each side of a 95% interval


def show_dataset(store: Store, digest: str) -> ShownDataset:
    """The facts of a dataset.

    Raises StoreError if it is damaged.
    """
    manifest, folder = store.read(DatasetManifest, digest), store.folder("datasets", digest)
    listed = read_as(folder / PartitionList.NAME, PartitionList)
    partitions = [store.folder("partitions", each.digest) for each in listed.partitions]
    return ShownDataset(
        kind="dataset",
        digest=digest,
        location=str(folder),
        bytes=sum(map(bytes_in, [folder, *partitions])),
        made=_made(folder),
        rows=manifest.row_counts,
        rejects=manifest.rejects,
        title_rejects=manifest.title_rejects,
        scale=manifest.scale,
        feedback=manifest.feedback,
        ids=manifest.ids,
        warnings=manifest.warnings,
        sources=manifest.sources,
        files=[
            ShownFile(file=file.file, role=each.role, rows_read=file.rows_read, rows=file.rows)
            for each in listed.partitions
            for file in each.files
        ],
        profile=read_as(folder / Profile.NAME, Profile),
        releases=[each.version for each in Registry(store.root).manifests() if each.dataset == digest],
    )


def show_release(store: Store, folder: Path) -> ShownRun:
    """The facts of a release.

    Raises ReleaseError if its manifest can't be read, StoreError if another file is damaged.
    """
    manifest = read_manifest(folder)
    fit = store.read_if_kept(CandidateManifest, manifest.candidate)
    ranking = store.read_if_kept(RankingManifest, manifest.ranking)
    evaluation = store.folder("evaluations", manifest.evaluation or "none")
    decision = read_if_there(evaluation / DecisionFile.NAME, DecisionFile)
    sizes, rows = _sizes(folder), manifest.metrics.get("rows")
    moves = _moves_to(store, manifest.version)
    return ShownRun(
        kind="release",
        name=manifest.version,
        champion=Registry(store.root).champion() == manifest.version,
        release=manifest.version,
        held=False,
        location=str(folder),
        bytes=sum(sizes.values()),
        files=sizes,
        made=manifest.created or _made(folder),
        model=manifest.model,
        rows_fitted=manifest.rows_fitted,
        seconds=_seconds(fit, ranking) or _noted_seconds(manifest),
        device=manifest.training.device,
        test_rows=rows if isinstance(rows, int) else None,
        figures=_figures_of(folder, manifest),
        settings=changed_settings(read_json(folder / _SETTINGS)) if (folder / _SETTINGS).is_file() else None,
        promotion=_promotion(moves),
        reason=_reason(manifest.decision.reason, moves),
        compared_with=manifest.judged_against,
        rules=_rules(decision),
        report=_page(folder),
        dataset=show_dataset_if_kept(store, manifest.dataset),
        digests=_digests(
            evaluation=manifest.evaluation,
            candidate=manifest.candidate,
            ranking=manifest.ranking,
            split=manifest.split.digest if manifest.split else None,
            dataset=manifest.dataset,
        ),
        versions=manifest.versions,
        signed=(folder / SIGNATURE).is_file(),
    )


def show_run(store: Store, judged: EvaluationManifest) -> ShownRun:
    """The facts of a run by its evaluation.

    Raises StoreError if a file is damaged.
    """
    folder, registry = store.folder("evaluations", judged.digest), Registry(store.root)
    fit = store.read_if_kept(CandidateManifest, judged.candidate)
    ranking = store.read_if_kept(RankingManifest, judged.ranking or judged.candidate)
    split = store.read_if_kept(SplitManifest, judged.split)
    made = [each.version for each in registry.manifests() if each.evaluation == judged.digest]
    metrics, sizes = read_metrics(folder), _sizes(folder)
    moves = _moves_to(store, made[-1]) if made else []
    return ShownRun(
        kind="run",
        name=judged.digest,
        champion=registry.champion() in made,
        release=made[-1] if made else None,
        held=judged.candidate in {each.candidate for each in registry.held()},
        location=str(folder),
        bytes=sum(sizes.values()),
        files=sizes,
        made=_judged_at(store, judged, folder),
        model=fit.model if fit else "ranking",
        rows_fitted=fit.rows if fit else ranking.rows if ranking else None,
        seconds=_seconds(fit, ranking),
        device=fit.device if fit else ranking.device if ranking else None,
        test_rows=judged.rows,
        figures=list(_figures(metrics)),
        settings=changed_settings(Document(judged.settings)),
        promotion=_promotion(moves),
        reason=_reason(judged.reason, moves),
        compared_with=judged.champion,
        rules=_rules(read_if_there(folder / DecisionFile.NAME, DecisionFile)),
        report=_page(registry.folder(made[-1])) if made else None,
        dataset=show_dataset_if_kept(store, split.dataset if split else None),
        digests=_digests(
            evaluation=judged.digest,
            candidate=judged.candidate,
            ranking=judged.ranking,
            split=judged.split,
            dataset=split.dataset if split else None,
        ),
        versions=fit.versions if fit else {},
    )


def show_dataset_if_kept(store: Store, digest: str | None) -> ShownDataset | None:
    """The facts of a dataset; None if it was pruned."""
    there = bool(digest) and (store.folder("datasets", str(digest)) / MANIFEST).is_file()
    return show_dataset(store, str(digest)) if there else None


def _made(folder: Path) -> str:
    """When the manifest was written, which is the last file of a folder."""
    return made_at(folder / MANIFEST)


def made_at(path: Path) -> str:
    """When a file was written, in UTC."""
    time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return time.isoformat(timespec="seconds")


def _judged_at(store: Store, evaluation: EvaluationManifest, folder: Path) -> str:
    """When a candidate was judged: what the log says, because a copy of the store may have later files."""
    logged = (each.at for each in Registry(store.root).log() if each.evaluation == evaluation.digest)
    return next(logged, None) or _made(folder)


def _moves_to(store: Store, version: str) -> list[Entry]:
    """The changes that made a release the champion, oldest first; none if the pointer can't be read."""
    with contextlib.suppress(ReleaseError):
        return [entry for entry in Registry(store.root).moves() if entry.version == version]
    return []


def _promotion(moves: list[Entry]) -> ShownPromotion | None:
    return ShownPromotion(at=moves[-1].at, action=moves[-1].action, by=moves[-1].by) if moves else None


def _reason(said: str, moves: list[Entry]) -> str:
    """The gate's reason. A candidate that is promoted by its digest was held."""
    return by_hand(said) if any(entry.candidate for entry in moves) else said


def _sizes(folder: Path) -> dict[str, int]:
    """The files of a folder with their sizes, the largest first."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _seconds(fit: CandidateManifest | None, ranking: RankingManifest | None) -> dict[str, float]:
    found = {"train": fit.seconds_train} if fit else {}
    return found | ({"rank": ranking.seconds_rank} if ranking else {})


def _noted_seconds(manifest: ReleaseManifest) -> dict[str, float]:
    noted = {"train": manifest.training.seconds_train, "rank": manifest.training.seconds_rank}
    return {name: seconds for name, seconds in noted.items() if seconds is not None}


def _figures_of(folder: Path, manifest: ReleaseManifest) -> list[ShownFigure]:
    """The figures of a release; those of its manifest if metrics.json is from a version that had fewer.

    Raises StoreError if the file is not the one that was published.
    """
    path = folder / Metrics.NAME
    if not path.is_file() or sha256(path) != manifest.files.get(Metrics.NAME):
        raise StoreError(
            f"{path} is missing or was changed after {manifest.version} was published. Restore it from a backup, and "
            f"list other damage with `matinee releases --store {shown(folder.parents[1])} --verify`."
        )
    try:
        return list(_figures(read_metrics(folder)))
    except StoreError:
        named = {name: manifest.metrics.get(name) for name in ("rmse", "mae", "ndcg_at_10")}
        return [
            ShownFigure(name=name, value=float(value))
            for name, value in named.items()
            if isinstance(value, int | float)
        ]


def _figures(metrics: AnyMetrics) -> Iterator[ShownFigure]:
    if isinstance(metrics, Metrics):
        for name, interval in (("rmse", metrics.intervals.rmse), ("mae", metrics.intervals.mae)):
            beside = {
                other: float(getattr(metrics, f"{other}_{name}")) for other in ("bias_only", "global_mean")
            }
            yield ShownFigure(
                name=name, value=interval.value, low=interval.low, high=interval.high, beside=beside
            )
    ours = metrics.ranking.recommend
    error = _CERTAIN * ours.ndcg_at_10_standard_error
    yield ShownFigure(
        name="ndcg_at_10",
        value=ours.ndcg_at_10,
        low=ours.ndcg_at_10 - error,
        high=ours.ndcg_at_10 + error,
        beside={"popularity": metrics.ranking.popularity.ndcg_at_10},
    )


def _rules(decision: DecisionFile | None) -> list[ShownRule]:
    rules = decision.rules if decision else []
    return [ShownRule(name=rule.name, passed=rule.passed, says=rule.says) for rule in rules]


def _page(folder: Path) -> str | None:
    return str(folder / _REPORT) if (folder / _REPORT).is_file() else None


def _digests(**named: str | None) -> dict[str, str]:
    return {name: digest for name, digest in named.items() if digest}
