"""What the report of a release shows: the release's own files, and what the store still has of its making."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matinee.evaluate.metrics_file import AnyMetrics, read_metrics
from matinee.formats.base import Format
from matinee.formats.dataset import Profile
from matinee.formats.decision import DecisionFile
from matinee.formats.example_lists import ExampleList, ExampleLists
from matinee.formats.history import History
from matinee.formats.manifests import CandidateManifest, DatasetManifest
from matinee.formats.written_settings import by_full_name
from matinee.registry import Registry
from matinee.release.manifest import ReleaseManifest
from matinee.release.ranking_model import RANKING, load_model
from matinee.store import Store
from matinee.store.documents import MANIFEST, SERIES, Point, Series, read_as, read_json
from matinee.store.versions import version_number

_POPULAR, _OTHERS, _NEIGHBOURS = 6, 6, 5  # movies that are shown, and neighbours of each
_FEWEST_ROWS = 20  # train rows of a movie that is shown
_Format = TypeVar("_Format", bound=Format)


@dataclass(frozen=True)
class Neighbours:
    """A movie and the movies closest to it."""

    title: str
    rows: int
    closest: list[tuple[str, float]]  # title and cosine


@dataclass(frozen=True)
class ReleaseFacts:
    """All that a report shows. What the store no longer has is None or empty."""

    manifest: ReleaseManifest
    metrics: AnyMetrics
    settings: list[tuple[str, str]]
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


def collect_facts(store: Store, folder: Path, manifest: ReleaseManifest) -> ReleaseFacts:
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
    examples = _read(evaluation / ExampleLists.NAME, ExampleLists)
    series = _read(store.root / SERIES, Series)
    number = version_number(manifest.version)
    return ReleaseFacts(
        manifest=manifest,
        metrics=read_metrics(folder),
        settings=_settings(folder),
        profile=_read(dataset / Profile.NAME, Profile),
        dataset=_read(dataset / MANIFEST, DatasetManifest),
        fit=_read(candidate / MANIFEST, CandidateManifest),
        history=_read(candidate / History.NAME, History),
        decision=_read(evaluation / DecisionFile.NAME, DecisionFile),
        examples=examples.users if examples else [],
        points=[
            point for point in (series.points if series else []) if version_number(point.release) <= number
        ],
        earlier=[each for each in Registry(store.root).manifests() if version_number(each.version) < number],
        neighbours=find_neighbours(folder),
        plots={path.stem: path.read_bytes() for path in sorted((folder / "plots").glob("*.png"))},
    )


def _read(path: Path, model: type[_Format]) -> _Format | None:
    return read_as(path, model) if path.is_file() else None


def _settings(folder: Path) -> list[tuple[str, str]]:
    path = folder / "settings.json"
    return [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in by_full_name(read_json(path) if path.is_file() else {}).items()
        if value is not None
    ]


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
