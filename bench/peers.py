"""Fits another system on the rows that bench/train.py has split. Each fit is a process that prints one line of JSON.

    python bench/peers.py NAME ROWS.npz [--threads T] [--seed S]

It runs with any interpreter that has numpy and the system; it does not need Matinee. ROWS.npz has `train` and `test`,
with three columns each: user code, movie code, rating. Codes are counted from 0 over both.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]

# The torch loops end at the first of these limits, because only their rate is measured.
LOOP_SECONDS = 20
LOOP_PASSES = 5


@dataclass(frozen=True)
class TrainRows:
    """Train rows as columns. Codes are below `n_users` and `n_movies`."""

    users: np.ndarray
    movies: np.ndarray
    ratings: np.ndarray
    n_users: int
    n_movies: int


@dataclass(frozen=True)
class Fit:
    """A finished fit: its prediction function (None if it has none) and its number of passes over the rows."""

    passes: float
    predict: Predict | None
    note: str = ""


# Each system imports its modules and converts the rows to its format. Only the returned function is timed.
Start = Callable[[], Fit]


def bias(rows: TrainRows, *, threads: int, seed: int) -> Start:
    """The mean and a bias per user and movie, shrunk by 5 rows, 15 rounds."""

    def fit() -> Fit:
        mean = rows.ratings.mean()
        by_user, by_movie = np.zeros(rows.n_users), np.zeros(rows.n_movies)
        user_rows = np.bincount(rows.users, minlength=rows.n_users) + 5
        movie_rows = np.bincount(rows.movies, minlength=rows.n_movies) + 5
        for _ in range(15):
            left = rows.ratings - mean - by_user[rows.users]
            by_movie = np.bincount(rows.movies, left, rows.n_movies) / movie_rows
            left = rows.ratings - mean - by_movie[rows.movies]
            by_user = np.bincount(rows.users, left, rows.n_users) / user_rows
        return Fit(15, lambda users, movies: mean + by_user[users] + by_movie[movies])

    return fit


def surprise(rows: TrainRows, *, threads: int, seed: int) -> Start:
    """Surprise's SVD with its defaults: 100 factors, 20 epochs, one thread."""
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    frame = pd.DataFrame({"user": rows.users, "movie": rows.movies, "rating": rows.ratings})
    reader = Reader(rating_scale=(rows.ratings.min(), rows.ratings.max()))
    trainset = Dataset.load_from_df(frame, reader).build_full_trainset()
    model = SVD(random_state=seed)

    def fit() -> Fit:
        model.fit(trainset)
        return Fit(model.n_epochs, predict)

    def predict(users: np.ndarray, movies: np.ndarray) -> np.ndarray:
        return np.array([model.predict(*pair).est for pair in zip(users, movies, strict=True)])

    return fit


def lenskit(rows: TrainRows, *, threads: int, seed: int) -> Start:
    """LensKit's biased ALS, 64 factors, 15 epochs."""
    import pandas as pd
    from lenskit.als import BiasedMFScorer
    from lenskit.data import ItemList, from_interactions_df
    from lenskit.training import TrainingOptions

    frame = pd.DataFrame({"user_id": rows.users, "item_id": rows.movies, "rating": rows.ratings})
    data = from_interactions_df(frame)
    model = BiasedMFScorer(embedding_size=64, epochs=15)

    def fit() -> Fit:
        model.train(data, TrainingOptions(rng=seed))
        return Fit(15, predict)

    def predict(users: np.ndarray, movies: np.ndarray) -> np.ndarray:
        answer = np.full(len(users), np.nan)
        order = np.argsort(users, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(users[order])) + 1):
            answer[part] = model(users[part[0]], ItemList(item_ids=movies[part])).scores()
        return answer

    return fit


def cmfrec(rows: TrainRows, *, threads: int, seed: int) -> Start:
    """cmfrec's ALS, 40 factors, regularization 10."""
    import pandas as pd
    from cmfrec import CMF

    frame = pd.DataFrame({"UserId": rows.users, "ItemId": rows.movies, "Rating": rows.ratings})
    model = CMF(k=40, lambda_=10.0, nthreads=threads, random_state=seed + 1, verbose=False)

    def fit() -> Fit:
        model.fit(frame)
        return Fit(model.niter, model.predict)

    return fit


def myfm(rows: TrainRows, *, threads: int, seed: int) -> Start:
    """myFM's Bayesian factorization machine, rank 10, with 280 of 300 samples kept."""
    from myfm import MyFMRegressor
    from scipy.sparse import csr_matrix

    def one_hot(users: np.ndarray, movies: np.ndarray) -> csr_matrix:
        columns = np.column_stack([users, rows.n_users + movies]).ravel()
        starts = np.arange(0, len(columns) + 1, 2)
        shape = len(users), rows.n_users + rows.n_movies
        return csr_matrix((np.ones(len(columns)), columns, starts), shape=shape)

    inputs = one_hot(rows.users, rows.movies)
    model = MyFMRegressor(rank=10, random_seed=seed)

    def fit() -> Fit:
        groups = [rows.n_users, rows.n_movies]
        model.fit(inputs, rows.ratings, n_iter=300, n_kept_samples=280, group_shapes=groups)
        return Fit(300, lambda users, movies: model.predict(one_hot(users, movies)))

    return fit


def libmf(rows: TrainRows, *, threads: int, seed: int) -> Start:
    """LIBMF, 32 factors, 20 passes. The predictions of its Python wrapper cannot be used."""
    from libmf import mf

    table = np.column_stack([rows.users, rows.movies, rows.ratings]).astype(np.float32)
    options = {"lambda_p2": 0.05, "lambda_q2": 0.05, "eta": 0.1, "quiet": True}
    model = mf.MF(k=32, nr_iters=20, nr_threads=threads, **options)

    def fit() -> Fit:
        model.fit(table)
        return Fit(20, None, note="time only")

    return fit


def notebook(rows: TrainRows, *, threads: int, seed: int, batch_size: int = 4) -> Start:
    """The loop of the seed notebook: embeddings of 32 + 32, a linear layer, Adam on all weights, a DataLoader."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    embeddings = nn.ModuleList(nn.Embedding(count, 32) for count in (rows.n_users, rows.n_movies))
    output = nn.Linear(64, 1)
    optimizer = torch.optim.Adam([*embeddings.parameters(), *output.parameters()], lr=1e-3)
    columns = [torch.from_numpy(column) for column in (rows.users, rows.movies, rows.ratings)]
    loader = DataLoader(TensorDataset(*columns), batch_size=batch_size, shuffle=True)

    def step(users: torch.Tensor, movies: torch.Tensor, ratings: torch.Tensor) -> None:
        optimizer.zero_grad()
        pairs = torch.cat([embeddings[0](users), embeddings[1](movies)], dim=1)
        nn.functional.mse_loss(output(pairs).squeeze(1), ratings).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def fit() -> Fit:
        done, started = 0, time.perf_counter()
        for batch in (batch for _ in range(LOOP_PASSES) for batch in loader):
            step(*batch)
            done += len(batch[0])
            if time.perf_counter() - started > LOOP_SECONDS:
                break
        passes = done / len(rows.ratings)
        return Fit(passes, None, note=f"rate only, over {passes:.2g} passes")

    return fit


def dataloader(rows: TrainRows, *, threads: int, seed: int) -> Start:
    """The same with batches of 8,192."""
    return notebook(rows, threads=threads, seed=seed, batch_size=8192)


SYSTEMS = {
    system.__name__: system for system in (bias, surprise, lenskit, cmfrec, myfm, libmf, notebook, dataloader)
}


def measure(name: str, path: Path, *, threads: int, seed: int) -> dict[str, float | str | None]:
    """Fit one system and return its figures. RMSE is within the scale; ids without a train row get the mean."""
    with np.load(path) as file:
        train, test = file["train"], file["test"]
    users, movies = (np.concatenate([train[i], test[i]]).astype(np.int64) for i in (0, 1))
    n = train.shape[1]
    ratings = train[2].astype(np.float32)
    rows = TrainRows(users[:n], movies[:n], ratings, int(users.max()) + 1, int(movies.max()) + 1)
    start = SYSTEMS[name](rows, threads=threads, seed=seed)
    started = time.perf_counter()
    done = start()
    seconds = time.perf_counter() - started
    peak_mb = peak_kib() / 2**10
    rmse = None
    if done.predict is not None:
        predicted = np.asarray(done.predict(users[n:], movies[n:]), np.float64)
        predicted = np.where(np.isfinite(predicted), predicted, ratings.mean())
        error = np.clip(predicted, ratings.min(), ratings.max()) - test[2]
        rmse = float(np.sqrt(np.mean(error**2)))
    return {
        "rmse": rmse,
        "seconds": seconds,
        "updates_per_second": n * done.passes / seconds,
        "peak_mb": peak_mb,
        "note": done.note,
    }


def peak_kib() -> int:
    """The peak of this process; getrusage would report the parent's peak if that was higher."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    """Measure one system."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SYSTEMS)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    call = parser.parse_args()
    print(json.dumps(measure(call.name, call.rows, threads=call.threads, seed=call.seed)))


if __name__ == "__main__":
    main()
