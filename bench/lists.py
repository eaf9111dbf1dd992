"""Lists of Matinee and of other systems on the same rows: nDCG@10, recall@10, coverage, seconds, memory.

    python bench/lists.py --train TRAIN.csv --test TEST.csv [--plays] [--peers PYTHON] [--systems ease,als]
        [--out RESULTS.json]
    python bench/lists.py --sample FOLDER ...

Matinee runs `retrain` on the train file with default settings and `train.refit=all`, then lists for all users. The
other systems (bench/lists_peers.py) run with an interpreter that has numpy, scipy, implicit and LensKit. They are
fitted on all rows of the train file, with settings chosen on a tenth of it. Lists cover the whole catalog without the
movies that the user rated. Users count if they liked a test row whose movie is in the train file. With `--plays`, every
row is a play (`ingest.feedback=implicit`), and every test row counts as liked. With `--sample`, a random tenth of the
ratings of `matinee sample` are the test rows, and the row `planted best` has the best lists that the sample allows.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from planted_lists import best_lists, split_sample

import matinee
from matinee.formats.manifests import RankingManifest
from matinee.recommend import recommend_all
from matinee.release.liking import liked_from
from matinee.settings.parse import read_settings

Lists = dict[int, list[int]]  # movie ids by user id, best first
_SYSTEMS = "popularity,ease,als,bpr,knn,lenskit"
_TOP, _DISCOUNT = 10, 1 / np.log2(np.arange(2, 12))


def main() -> None:
    """Measure Matinee and the other systems, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument(
        "--sample", type=Path, metavar="FOLDER", help="a sample, instead of --train and --test"
    )
    parser.add_argument("--plays", action="store_true", help="take each row as a play, whatever its rating")
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="interpreter of the other systems")
    parser.add_argument("--systems", default=_SYSTEMS, help=f"which of them ({_SYSTEMS})")
    parser.add_argument("--out", type=Path, help="results as JSON")
    call = parser.parse_args()
    if (call.sample is None) == (call.train is None or call.test is None):
        parser.error("give --train and --test, or --sample")
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        if call.sample:
            call.train, call.test = split_sample(call.sample, Path(scratch))
        lists, facts, scale = measure_ours(call.train, Path(scratch), plays=call.plays)
        train, test = (read(path, plays=call.plays) for path in (call.train, call.test))
        liked = test.filter(
            (pl.col("rating") >= liked_from(scale)) & pl.col("movie").is_in(train["movie"].implode())
        )
        found["matinee"] = facts | judge(lists, liked, movies=train["movie"].n_unique())
        show("matinee", found["matinee"])
        for name in call.systems.split(",") if call.peers else []:
            lists, facts = measure_peer(name, train, scale, python=call.peers, scratch=Path(scratch))
            found[name] = facts | judge(lists, liked, movies=train["movie"].n_unique())
            show(name, found[name])
        if call.sample:
            lists = best_lists(call.sample, train, liked_from=liked_from(scale), top=_TOP)
            found["planted best"] = judge(lists, liked, movies=train["movie"].n_unique())
            show("planted best", found["planted best"])
    if call.out:
        call.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def read(path: Path, *, plays: bool) -> pl.DataFrame:
    """The first three columns of a rating CSV; of plays, the first two and the rating 1."""
    frame = pl.read_csv(path)
    rating = pl.lit(1.0) if plays else pl.col(frame.columns[2]).cast(pl.Float64)
    return frame.select(
        pl.col(frame.columns[0]).alias("user"),
        pl.col(frame.columns[1]).alias("movie"),
        rating.alias("rating"),
    )


def measure_ours(
    train: Path, scratch: Path, *, plays: bool
) -> tuple[Lists, dict[str, object], tuple[float, float]]:
    """Lists of a release, the seconds of its ranking fit and of the lists, and the rating scale."""
    feedback = "implicit" if plays else "explicit"
    settings = read_settings(assignments=["train.refit=all", f"ingest.feedback={feedback}"])
    run = matinee.retrain(train, None, scratch / "store", settings=settings)
    assert run.release is not None, run.publication.reason
    release, out = matinee.load(run.release), scratch / "lists.parquet"
    fit = run.store.read(RankingManifest, release.manifest["shipped_ranking"])
    started = time.perf_counter()
    recommend_all(release, out=out, top=100, settings=settings.recommend)
    seconds = time.perf_counter() - started
    table = pl.read_parquet(out).group_by("user_id", maintain_order=True).agg("movie_id")
    lists = dict(zip(table["user_id"].to_list(), table["movie_id"].to_list(), strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20
    )  # all of `retrain`, the rating model too
    facts = {
        "fit_seconds": round(fit.seconds_rank, 2),
        "list_seconds": round(seconds, 2),
        "peak_gb": round(peak, 2),
    }
    return lists, {"settings": "defaults", **facts}, release.scale


def measure_peer(
    name: str, train: pl.DataFrame, scale: tuple[float, float], *, python: Path, scratch: Path
) -> tuple[Lists, dict[str, object]]:
    """Lists of another system, and the JSON that it prints."""
    users, movies = (train[column].unique().sort().to_numpy() for column in ("user", "movie"))
    inner = np.random.default_rng(0).random(train.height) < 0.1
    columns = (
        np.searchsorted(users, train["user"].to_numpy()),
        np.searchsorted(movies, train["movie"].to_numpy()),
        train["rating"].to_numpy(),
        inner,
    )
    rows, lists = scratch / "rows.npz", scratch / f"{name}.npz"
    np.savez(
        rows, train=np.column_stack(columns), liked=liked_from(scale), users=len(users), movies=len(movies)
    )
    command = [str(each) for each in (python, Path(__file__).with_name("lists_peers.py"), name, rows, lists)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, stderr=sys.stderr).stdout
    found = np.load(lists)["lists"]
    ids = dict(zip(users.tolist(), movies[found].tolist(), strict=True))
    return ids, json.loads(printed.splitlines()[-1])


def judge(lists: Lists, liked: pl.DataFrame, *, movies: int) -> dict[str, object]:
    """nDCG@10 and recall@10 over users with a liked test row, and the share of movies in at least one top ten."""
    ndcgs, recalls = [], []
    for (user,), rows in liked.group_by("user"):
        wanted = rows["movie"].to_numpy()
        listed: NDArray[np.int64] = np.asarray(lists.get(int(str(user)), [])[:_TOP], np.int64)
        hits = np.isin(listed, wanted)
        ndcgs.append(float(hits @ _DISCOUNT[: len(hits)] / _DISCOUNT[: len(wanted)].sum()))
        recalls.append(float(hits.sum() / len(wanted)))
    shown = {movie for found in lists.values() for movie in found[:_TOP]}
    return {
        "users": len(ndcgs),
        "ndcg_at_10": round(float(np.mean(ndcgs)), 4),
        "recall_at_10": round(float(np.mean(recalls)), 4),
        "coverage_at_10": round(len(shown) / movies, 3),
    }


def show(name: str, facts: dict[str, object]) -> None:
    """One line of the table."""
    print(f"{name:12}", "  ".join(f"{key} {value}" for key, value in facts.items()), flush=True)


if __name__ == "__main__":
    main()
