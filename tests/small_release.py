"""Complete releases that tests and drills write by hand. They load and predict."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matinee.registry import Registry
from matinee.release import sha256
from matinee.release.weights import write_weights


def write_release(
    folder: Path,
    *,
    users: int = 3,
    movies: int = 4,
    size: int = 2,
    model: str = "dot",
    manifest: Mapping[str, Any] | None = None,
    weights: Mapping[str, Any] | None = None,
    ranked: bool = False,
    **files: bytes,
) -> None:
    """Fill a new folder with a release of random weights. Ids are 10 * code + 3.

    `manifest` and `weights` add or replace entries, and `files` are added to the folder. With `ranked`, the release has
    a ranking model.
    """
    draw = np.random.default_rng(7)
    folder.mkdir(parents=True)
    tables = {**_tables(draw, model, users=users, movies=movies, size=size), **(weights or {})}
    write_weights(
        folder / "weights.safetensors", {name: _typed(name, table) for name, table in tables.items()}
    )
    rows = {"users": draw.integers(1, 9, users), "movies": draw.integers(1, 900, movies)}
    rows["users"][-1] = rows["movies"][-1] = 0  # the last ones are unknown to the model
    titles = pa.array([f"Movie {code}" if code else None for code in range(movies)], pa.string())
    for side, extra in (("users", {}), ("movies", {"title": titles, "liked_rows": rows["movies"] // 3})):
        ids = np.arange(len(rows[side])) * 10 + 3
        columns = {f"{side[:-1]}_id": ids, "train_rows": rows[side], **extra}
        pq.write_table(pa.table(columns), folder / f"{side}.parquet")
    seen = [
        np.sort(draw.choice(movies, draw.integers(0, max(movies // 2, 1)), replace=False))
        for _ in range(users)
    ]
    np.save(folder / "seen.offsets.npy", np.cumsum([0, *map(len, seen)]))
    np.save(folder / "seen.movies.npy", np.concatenate(seen).astype(np.int32))
    if ranked:
        np.save(folder / "seen.levels.npy", draw.integers(0, 241, sum(map(len, seen))).astype(np.uint8))
        tables = {
            name: draw.normal(0, 1, (movies, size)) for name in ("encode_rated", "encode_liked", "decode")
        }
        tables["popularity"] = np.log1p(rows["movies"])
        typed = {name: _typed(name, table) for name, table in tables.items()}
        write_weights(folder / "ranking.safetensors", typed)
    if model == "dot":
        prior = {"noise_precision": 2.0, "mean": [0.1] * (size + 1), "covariance": np.eye(size + 1).tolist()}
        (folder / "prior.json").write_text(json.dumps(prior))
    (folder / "metrics.json").write_text(json.dumps({"ranking": {"popularity_weight": 0.4}}))
    for name, data in files.items():
        (folder / name).write_bytes(data)
    write_checksums(folder, **(manifest or {}), model=model)


def publish_releases(root: Path, versions: int) -> Registry:
    """A store of so many releases; each was the champion once, and the last one is."""
    registry = Registry.open(root)
    for number in range(1, versions + 1):
        folder = root / "releases" / f"v{number:04d}"
        write_release(folder)
        with registry.lock():
            registry.point_to(folder.name, action="publish", reason="test")
    return registry


def write_checksums(folder: Path, **more: Any) -> None:
    """Write a manifest for the files that are in a folder."""
    told = {"version": folder.name.partition(".")[0], "schema_version": 1, "scale": [1.0, 5.0], "metrics": {}}
    files = {path.name: sha256(path) for path in folder.iterdir() if path.name != "manifest.json"}
    (folder / "manifest.json").write_text(json.dumps({**told, **more, "files": files}))


def _tables(draw: Any, model: str, *, users: int, movies: int, size: int) -> dict[str, Any]:
    bias = {
        "user_bias": draw.normal(0, 0.3, users),
        "movie_bias": draw.normal(0, 0.3, movies),
        "mean": np.array([3.5]),
    }
    if model == "dot":
        return bias | {
            "user_factors": draw.normal(0, 1, (users, size)),
            "movie_factors": draw.normal(0, 1, (movies, size)),
        }
    assert model == "linear", model
    counts = {"user_rows": np.arange(users) % 5, "movie_rows": np.arange(movies) % 5}
    return {f"baseline.{name}": table for name, table in bias.items()} | {
        **counts,
        "user_embedding": draw.normal(0, 1, (users, size)),
        "movie_embedding": draw.normal(0, 1, (movies, size)),
        "output.weight": draw.normal(0, 0.1, (1, 2 * size)),
        "output.bias": np.array([3.5]),
    }


def _typed(name: str, table: Any) -> Any:
    return np.ascontiguousarray(table).astype(np.int32 if name.endswith("_rows") else np.float32)
