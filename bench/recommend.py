"""Lists for every user of a Netflix-sized release of random factors: seconds, memory, and a check by brute force.

    python bench/recommend.py [--users U] [--movies M] [--size K] [--top N] [--threads T] [--device cpu|cuda]
        [--implicit PYTHON]

With `--implicit`, the interpreter runs the batch recommend of implicit on the same factors and lists of rated movies.
Popularity is one more factor, which is 1 for every user. Prints one JSON object. `peak_gb` is the largest resident
memory, including the release and the pages that it maps.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

import matinee
from matinee.recommend import recommend_all
from matinee.release import sha256
from matinee.release.manifest import ReleaseManifest
from matinee.settings import RecommendSettings
from matinee.settings.device import DeviceName
from matinee.store.files import write_json

_CHECKED = 1_000  # users whose lists are checked one by one
_SEEN = 209  # rated movies per user, as in the Netflix Prize data


def main() -> None:
    """Make a release, compute all lists once, check them, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("users", 480_189), ("movies", 17_770), ("size", 64), ("top", 10), ("threads", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--implicit", type=Path, metavar="PYTHON")
    call = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "v0001", Path(scratch) / "out.parquet"
        write_release(folder, users=call.users, movies=call.movies, size=call.size)
        # A new process, so the peak does not include making the release.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            facts = pool.submit(measure, folder, out, call.top, call.threads, call.device).result()
        release = matinee.load(folder)
        facts["lists_that_differ"] = count_different(release, out, top=call.top)
        told = {**vars(call), "implicit": None, **facts}
        if call.implicit:
            told["implicit"] = run_implicit(
                release, out, python=call.implicit, top=call.top, threads=call.threads
            )
    print(json.dumps(told))


def measure(folder: Path, out: Path, top: int, threads: int, device: DeviceName) -> dict[str, float]:
    """Load a release and compute all lists once. The kernel is compiled, and the GPU started, before."""
    settings = RecommendSettings(device=device)
    warm = folder.with_name("warm")
    write_release(warm, users=2, movies=20, size=2)
    recommend_all(matinee.load(warm), out=out, top=1, settings=settings, threads=1)
    started = time.perf_counter()
    release = matinee.load(folder)
    seconds_load = time.perf_counter() - started
    busy = time.process_time()
    done = recommend_all(release, out=out, top=top, settings=settings, threads=threads)
    return {
        "seconds_cpu": round(
            time.process_time() - busy, 2
        ),  # of all threads; it distinguishes a busy machine from a slow program
        "seconds_load": round(seconds_load, 2),
        "seconds_recommend": round(done.seconds, 2),
        "rows": done.rows,
        "bytes": out.stat().st_size,
        "peak_gb": round(_peak_kib() / 2**20, 2),
    }


def run_implicit(
    release: matinee.Release, out: Path, *, python: Path, top: int, threads: int
) -> dict[str, float]:
    """Seconds and memory of implicit on the same factors, and the share of its lists with the same movies."""
    rows, found = out.with_name("rows.npz"), out.with_name("implicit.npy")
    weights, catalog = release.weights, release.catalog
    users = np.column_stack([weights["user_factors"], np.ones(len(release.users), np.float32)])
    movies = np.column_stack([weights["movie_factors"], np.maximum(catalog.appeal, -1e9)])
    np.savez(rows, offsets=catalog.seen_offsets, seen=catalog.seen_movies, users=users, movies=movies)
    script = Path(__file__).with_name("recommend_peer.py")
    call = [*map(str, (python, script, rows, found)), "--top", str(top), "--threads", str(threads)]
    quiet = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # implicit requires it, because it has its own threads
    ran = subprocess.run(call, check=True, capture_output=True, text=True, env=quiet)
    told: dict[str, float] = json.loads(ran.stdout)
    ours = pq.read_table(out, columns=["user_id", "movie_id"])
    codes = release.movies.encode(ours["movie_id"].to_numpy())
    theirs = np.load(found)
    full = len(codes) == theirs.size  # no list is short
    same = np.sort(codes.reshape(theirs.shape)) == np.sort(theirs) if full else np.zeros((1, 1))
    return told | {"lists_as_ours": round(float(same.all(axis=1).mean()), 6)}


def _peak_kib() -> int:
    """The peak of this process; getrusage would report the parent's peak if that was higher."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0])


def write_release(folder: Path, *, users: int, movies: int, size: int) -> None:
    """A release with random weights, and long-tailed popularity of movies and activity of users."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    tables: dict[str, int | tuple[int, int]] = {
        "user_factors": (users, size),
        "movie_factors": (movies, size),
        "user_bias": users,
        "movie_bias": movies,
    }
    weights = {
        name: draw.standard_normal(shape, np.float32) * np.float32(0.2) for name, shape in tables.items()
    }
    save_file(weights | {"mean": np.array([3.6], np.float32)}, folder / "weights.safetensors")
    counts = np.minimum(draw.geometric(1 / _SEEN, users), movies // 2)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    np.save(folder / "seen.offsets.npy", offsets)
    np.save(folder / "seen.movies.npy", _draw_seen(draw, counts, movies))
    popularity = (movies * _SEEN * draw.pareto(1.2, movies)).astype(np.int64)
    titles = [f"The Movie Number {code}" for code in range(movies)]
    user_table = {"user_id": np.arange(users) * 5 + 6, "train_rows": counts}
    movie_table = {
        "movie_id": np.arange(movies) + 1,
        "train_rows": popularity,
        "liked_rows": popularity // 2,
        "title": titles,
    }
    pq.write_table(pa.table(user_table), folder / "users.parquet")
    pq.write_table(pa.table(movie_table), folder / "movies.parquet")
    write_json(folder / "metrics.json", {"ranking": {"popularity_weight": 0.3}})
    files = {path.name: sha256(path) for path in folder.iterdir()}
    manifest = ReleaseManifest(version="v0001", schema_version=1, model="dot", scale=[1, 5], files=files)
    write_json(folder / "manifest.json", manifest)


def _draw_seen(draw: np.random.Generator, counts: np.ndarray, movies: int) -> np.ndarray:
    """Ascending movie codes for each user: evenly spaced from a random start, so none occurs twice."""
    starts, gaps = draw.integers(0, movies, len(counts)), movies // np.maximum(counts, 1)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    codes = (np.repeat(starts, counts) + place * np.repeat(gaps, counts)) % movies
    owner = np.repeat(np.arange(len(counts)), counts)
    seen: np.ndarray = codes[np.lexsort((codes, owner))].astype(np.int32)
    return seen


def count_different(release: matinee.Release, out: Path, *, top: int) -> int:
    """The users, out of an evenly spaced thousand, whose list differs from sorting all scores."""
    written = pq.read_table(out, columns=["user_id", "movie_id"])
    user_ids, movie_ids = (written[name].to_numpy() for name in ("user_id", "movie_id"))
    weights, catalog = release.weights, release.catalog
    offset = catalog.appeal.astype(np.float64)
    different = 0
    for code in range(0, len(release.users), max(len(release.users) // _CHECKED, 1)):
        scores = weights["movie_factors"].astype(np.float64) @ weights["user_factors"][code] + offset
        scores[catalog.seen(code)] = -np.inf
        best = np.argsort(-scores, kind="stable")[:top]
        start, stop = np.searchsorted(user_ids, [release.users.ids[code], release.users.ids[code] + 1])
        different += not np.array_equal(release.movies.ids[best], movie_ids[start:stop])
    return different


if __name__ == "__main__":
    main()
