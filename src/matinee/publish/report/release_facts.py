"""What the report of a release shows: the release's own files, and what the store still has of its making."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import JsonValue

from matinee.formats.dataset import Profile
from matinee.formats.decision import DecisionFile
from matinee.formats.example_lists import ExampleList, ExampleLists
from matinee.formats.history import History
from matinee.formats.manifests import CandidateManifest, DatasetManifest
from matinee.registry import Registry
from matinee.release.manifest import ReleaseManifest
from matinee.release.ranking_model import RANKING, load_model
from matinee.store import Store
from matinee.store.documents import MANIFEST, SERIES, Point, Series, read_if_there, read_json
from matinee.store.metrics_file import AnyMetrics, read_metrics
from matinee.store.versions import version_number

_POPULAR, _OTHERS, _NEIGHBOURS = 6, 6, 5  # movies that are shown, and neighbours of each
_FEWEST_ROWS = 20  # train rows of a movie that is shown


@dataclass(frozen=True)
class Neighbours:
    """A movie and the movies closest to it."""

    title: str
    rows: int
    closest: list[tuple[str, float]]  # title and cosine


@dataclass(frozen=True)
class ReportFacts:
    """All that a report shows. What the store no longer has is None or empty."""

    manifest: ReleaseManifest
    metrics: AnyMetrics
    settings: Mapping[str, JsonValue]
    profile: Profile | None
    dataset: DatasetManifest | None
    fit: CandidateManifest | None
    history: History | None
    decision: DecisionFile | None
    examples: list[ExampleList]
    points: list[Point]
    earlier: list[ReleaseManifest]  # oldest first
    neighbours: list[Neighbours]
    plots: dict[str, bytes]  # PNGs of the evaluation, by name


def collect_facts(store: Store, folder: Path, manifest: ReleaseManifest) -> ReportFacts:
    """Read the facts of a release.

    Args:
        store: The store that it was made in.
        folder: The release, or the folder that becomes one.
        manifest: Its manifest, in which the list of files may be missing.

    Raises:
        StoreError: A file is damaged.
    """
    dataset, candidate = (
        store.folder(kind, digest or "none")
        for kind, digest in (("datasets", manifest.dataset), ("candidates", manifest.candidate))
    )
    evaluation = store.folder("evaluations", manifest.evaluation or "none")
    examples = read_if_there(evaluation / ExampleLists.NAME, ExampleLists)
    settings, series = folder / "settings.json", read_if_there(store.root / SERIES, Series)
    number = version_number(manifest.version)
    return ReportFacts(
        manifest=manifest,
        metrics=read_metrics(folder),
        settings=read_json(settings) if settings.is_file() else {},
        profile=read_if_there(dataset / Profile.NAME, Profile),
        dataset=read_if_there(dataset / MANIFEST, DatasetManifest),
        fit=read_if_there(candidate / MANIFEST, CandidateManifest),
        history=read_if_there(candidate / History.NAME, History),
        decision=read_if_there(evaluation / DecisionFile.NAME, DecisionFile),
        examples=examples.users if examples else [],
        points=[
            point for point in (series.points if series else []) if version_number(point.release) <= number
        ],
        earlier=[each for each in Registry(store.root).manifests() if version_number(each.version) < number],
        neighbours=find_neighbours(folder),
        plots={path.stem: path.read_bytes() for path in sorted((folder / "plots").glob("*.png"))},
    )


def find_neighbours(folder: Path) -> list[Neighbours]:
    """The movies closest to some movies, by the cosine of the ranking model's vectors, as `Release.similar` has them.

    Half of the movies are the most rated ones, and the others are spread over those with fewer rows.

    Args:
        folder: A release.

    Returns:
        The movies and their neighbours; empty without a ranking model.
    """
    if not (folder / RANKING).is_file():
        return []
    vectors = load_model(folder / RANKING).encode_rated
    table = pq.read_table(folder / "movies.parquet", columns=["movie_id", "title", "train_rows"])
    rows = table["train_rows"].to_numpy()
    titles = [
        title or f"movie {movie_id}"
        for title, movie_id in zip(table["title"].to_pylist(), table["movie_id"].to_pylist(), strict=True)
    ]
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)
    found = []
    for movie in _popular_and_others(rows):
        cosines = vectors @ vectors[movie] / lengths / lengths[movie]
        cosines[(rows == 0) | (np.arange(len(rows)) == movie)] = -np.inf
        order = np.argsort(-cosines, kind="stable")[:_NEIGHBOURS].tolist()
        closest = [(titles[each], float(cosines[each])) for each in order if np.isfinite(cosines[each])]
        found.append(Neighbours(titles[movie], int(rows[movie]), closest))
    return found


def _popular_and_others(rows: NDArray[np.int64]) -> list[int]:
    """The movies with the most rows, and others spread over those with fewer."""
    order = np.argsort(-rows, kind="stable")
    order = order[rows[order] >= _FEWEST_ROWS]
    spread = np.linspace(_POPULAR, len(order) - 1, _OTHERS + 1)[1:].astype(np.int64)
    chosen = [*order[:_POPULAR], *order[spread[spread >= _POPULAR]]]
    return list(dict.fromkeys(int(each) for each in chosen))
