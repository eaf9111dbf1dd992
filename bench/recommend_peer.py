"""Runs the batch recommend of implicit on the files of bench/recommend.py, and prints one line of JSON.

    python bench/recommend_peer.py ROWS.npz OUT.npy [--top N] [--threads T]

It runs with any interpreter that has implicit; it does not need Matinee. ROWS.npz has `users` and `movies` (float32
factors), and `offsets` and `seen` (the movies that each user rated).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

_BATCH = 10_000  # users per call, so its lists of scores and ids stay small


def main() -> None:
    """Compute all lists once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    call = parser.parse_args()
    rows = np.load(call.rows)
    model = AlternatingLeastSquares(num_threads=call.threads)  # its factors are given, not fitted
    model.user_factors, model.item_factors = rows["users"], rows["movies"]
    users, movies = len(model.user_factors), len(model.item_factors)
    seen = rows["seen"]
    liked = csr_matrix((np.ones(len(seen), np.float32), seen, rows["offsets"]), (users, movies))
    started, found = time.perf_counter(), []
    for first in range(0, users, _BATCH):
        who = np.arange(first, min(first + _BATCH, users))
        found.append(model.recommend(who, liked[who], N=call.top, filter_already_liked_items=True)[0])
    seconds = time.perf_counter() - started
    np.save(call.out, np.concatenate(found))
    peak = Path("/proc/self/status").read_text("utf-8").partition("VmHWM:")[2].split()[0]
    print(json.dumps({"seconds_recommend": round(seconds, 2), "peak_gb": round(int(peak) / 2**20, 2)}))


if __name__ == "__main__":
    main()
