"""Lists of another system on the rows of bench/lists.py: `python bench/lists_peers.py NAME ROWS.npz LISTS.npz`.

It runs with any interpreter that has numpy, scipy and the system; it does not need Matinee. ROWS.npz has `train` (user
code, movie code, rating, whether it is an inner valid row), `liked` and the numbers of users and movies. It writes the
100 best unseen movies of each user, and prints one JSON object: seconds of the fit and the settings that were chosen on
the inner valid rows.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

Scores = Callable[[np.ndarray], np.ndarray]  # user codes [n] -> scores [n, movies]
Fitter = Callable[[sp.csr_matrix, sp.csr_matrix], Scores]  # all rows, liked rows
LENGTH, USERS = 100, 512


def main() -> None:
    """Choose settings on inner valid rows, fit on all rows, write the lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=list(SYSTEMS))
    parser.add_argument("rows")
    parser.add_argument("lists")
    call = parser.parse_args()
    rows = np.load(call.rows)
    users, movies, ratings, inner = rows["train"].T
    shape = (int(rows["users"]), int(rows["movies"]))
    place = users.astype(np.int32), movies.astype(np.int32)

    def matrix(chosen: np.ndarray) -> sp.csr_matrix:
        cells = tuple(column[chosen] for column in place)
        return sp.csr_matrix((np.ones(len(cells[0]), np.float32), cells), shape=shape)

    liked, outer = ratings >= rows["liked"], inner == 0
    wanted = matrix(liked & ~outer)
    scored = [
        (ndcg(fit(matrix(outer), matrix(liked & outer)), matrix(outer), wanted), label, fit)
        for label, fit in SYSTEMS[call.name]()
    ]
    best, label, fit = max(scored, key=lambda each: each[0])
    everything = matrix(ratings > -np.inf)
    started = time.perf_counter()
    scores = fit(everything, matrix(liked))
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    np.savez(call.lists, lists=make_lists(scores, everything))
    print(
        json.dumps(
            {
                "settings": label,
                "ndcg_on_inner_rows": round(best, 4),
                "fit_seconds": round(seconds, 2),
                "list_seconds": round(time.perf_counter() - started, 2),
                "peak_gb": peak_gb(),
            }
        )
    )


def peak_gb() -> float:
    """The largest resident memory of this process, on Linux. Unlike `getrusage`, without the parent."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    return round(int(found[1]) / (1 << 20), 2) if found else 0.0


def make_lists(scores: Scores, seen: sp.csr_matrix) -> np.ndarray:
    """The best unseen movies of every user, [users, LENGTH]."""
    length, found = min(LENGTH, seen.shape[1]), []
    for first in range(0, seen.shape[0], USERS):
        codes = np.arange(first, min(first + USERS, seen.shape[0]))
        block = np.asarray(scores(codes), np.float32).copy()
        block[seen[codes].nonzero()] = -np.inf
        found.append(np.argsort(-block, axis=1, kind="stable")[:, :length])
    return np.concatenate(found)


def ndcg(scores: Scores, seen: sp.csr_matrix, wanted: sp.csr_matrix) -> float:
    """Mean nDCG@10 over the users with a wanted movie."""
    lists, discount, values = make_lists(scores, seen)[:, :10], 1 / np.log2(np.arange(2, 12)), []
    for user in np.flatnonzero(np.diff(wanted.indptr)):
        liked = wanted.indices[wanted.indptr[user] : wanted.indptr[user + 1]]
        hits = np.isin(lists[user], liked)
        values.append(hits @ discount[: len(hits)] / discount[: len(liked)].sum())
    return float(np.mean(values))


def popularity() -> Iterator[tuple[str, Fitter]]:
    """The most frequently rated movies."""
    yield "all rows", lambda rated, _: lambda codes: np.tile(np.asarray(rated.sum(0)), (len(codes), 1))


def ease() -> Iterator[tuple[str, Fitter]]:
    """EASE (Steck 2019), on all rows or on liked rows."""

    def fitter(on_liked: bool, penalty: float) -> Fitter:
        def fit(rated: sp.csr_matrix, liked: sp.csr_matrix) -> Scores:
            seen = liked if on_liked else rated
            gram = (seen.T @ seen).toarray().astype(np.float64)
            gram[np.diag_indices_from(gram)] += penalty
            inverse = np.linalg.inv(gram)
            weights = (-inverse / np.diag(inverse)).astype(np.float32)
            np.fill_diagonal(weights, 0)
            return lambda codes: seen[codes] @ weights

        return fit

    for on_liked in (False, True):
        for penalty in (100, 300, 1000):
            yield f"{'liked' if on_liked else 'all'} rows, penalty {penalty}", fitter(on_liked, penalty)


def implicit_model(make: Callable[[], Any]) -> Fitter:
    """A model of the library implicit, fitted on liked rows."""

    def fit(_: sp.csr_matrix, liked: sp.csr_matrix) -> Scores:
        model = make()
        model.fit(liked, show_progress=False)
        if hasattr(model, "similarity"):
            return lambda codes: (liked[codes] @ model.similarity).toarray()
        return lambda codes: model.user_factors[codes] @ model.item_factors.T

    return fit


def als() -> Iterator[tuple[str, Fitter]]:
    """Implicit ALS (Hu et al. 2008)."""
    from implicit.cpu.als import AlternatingLeastSquares

    for size, alpha, penalty in ((64, 1, 1), (64, 5, 10), (128, 5, 10), (64, 10, 10)):
        given = {"factors": size, "alpha": alpha, "regularization": penalty, "random_state": 0}
        yield str(given), implicit_model(partial(AlternatingLeastSquares, **given))


def bpr() -> Iterator[tuple[str, Fitter]]:
    """Bayesian personalized ranking (Rendle et al. 2009)."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    for passes in (100, 300):
        given = {"factors": 64, "iterations": passes, "random_state": 0}
        yield str(given), implicit_model(partial(BayesianPersonalizedRanking, **given))


def knn() -> Iterator[tuple[str, Fitter]]:
    """Item-kNN by cosine."""
    from implicit.nearest_neighbours import CosineRecommender

    for neighbours in (50, 200):
        yield f"K={neighbours}", implicit_model(partial(CosineRecommender, K=neighbours))


def lenskit() -> Iterator[tuple[str, Fitter]]:
    """LensKit's implicit ALS and its item-kNN."""
    from lenskit.als import ImplicitMFScorer
    from lenskit.knn import ItemKNNScorer

    given: dict[str, Any]
    for given in ({"embedding_size": 64, "weight": 5}, {"embedding_size": 64, "weight": 40}):
        yield f"ImplicitMF {given}", lenskit_model(partial(ImplicitMFScorer, **given))
    for neighbours in (20, 100):
        given = {"max_nbrs": neighbours, "feedback": "implicit"}
        yield f"ItemKNN {given}", lenskit_model(partial(ItemKNNScorer, **given))


def lenskit_model(make: Callable[[], Any]) -> Fitter:
    """A scorer of LensKit, trained on liked rows."""
    import pandas as pd
    from lenskit.data import ItemList, RecQuery, from_interactions_df
    from lenskit.training import TrainingOptions

    def fit(_: sp.csr_matrix, liked: sp.csr_matrix) -> Scores:
        users, movies = liked.nonzero()
        model = make()
        data = from_interactions_df(pd.DataFrame({"user_id": users, "item_id": movies}))
        model.train(data, TrainingOptions(rng=0))
        every = ItemList(item_ids=np.arange(liked.shape[1]))

        def score(code: int) -> np.ndarray:
            query = RecQuery(user_id=code, user_items=ItemList(item_ids=liked[code].indices))
            found: np.ndarray = np.nan_to_num(model(query, every).scores(), nan=-np.inf)
            return found

        return lambda codes: np.stack([score(code) for code in codes.tolist()])

    return fit


SYSTEMS = {"popularity": popularity, "ease": ease, "als": als, "bpr": bpr, "knn": knn, "lenskit": lenskit}

if __name__ == "__main__":
    main()
