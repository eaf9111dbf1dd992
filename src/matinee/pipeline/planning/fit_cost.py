"""Work, memory and network of fits of the rating model."""

import math
from typing import Final

from matinee.pipeline.planning.workload import Part, StepCost, Workload
from matinee.settings import GradientTraining, Resolved, SamplerTraining
from matinee.train.blocks import groups_for

NEAR, FAR = "fit sgd", "fit sgd far"  # with the vectors of a block in the cache of a core, and without
# Bytes of a block from which vectors begin to leave the cache of a core, and from which none are in it.
_CACHED, _UNCACHED = 1 << 16, 1 << 21
_VECTOR: Final = 16  # numbers: vectors of sgd are padded to a multiple of it
# Bytes of a row: as read, in units of the fit, and once more in blocks or groups.
_SGD_ROW: Final = 12 + 4 + 12
_GIBBS_ROW: Final = 12 + 4 + 2 * 8  # grouped by user and by movie
_TORCH_ROW: Final = 12 + 4 + 8 + 12  # a permutation and the shuffled rows
_CHAIN_TABLES: Final = 3  # vectors, vectors minus their means, and pulls
_COUNTED: Final = (
    8 + 4 + 8
)  # bytes of a user or a movie: rows, group, and sums of rows while they are grouped
_ROOM: Final = 128  # columns of draws beside those of the model
_TORCH_CORES: Final = 4  # small products do not use more cores
_MANY: Final = 256  # chunks of the sampler: more than a host has cores


def fit_key(settings: Resolved) -> str:
    """The name of the rate of these fits, which was measured with the same model and method."""
    train, model = settings.train, settings.model
    if isinstance(train, SamplerTraining):
        return "fit gibbs"
    sizes = [str(value) for name, value in model.model_dump().items() if name.endswith("size")]
    if train.method == "sgd":
        return NEAR
    return " ".join(["fit", train.method, model.name, *sizes, str(train.batch_size)])


def fit_units(settings: Resolved, *, rows: float, users: float, movies: float, epochs: float) -> float:
    """The work of `epochs` passes over the rows.

    For sgd, the numbers of padded vectors that updates read; for the sampler, operations; else rows.
    """
    train, model = settings.train, settings.model
    if isinstance(train, SamplerTraining):
        size, columns = train.sampler_rank + 1, model.embedding_size
        width = columns + _ROOM
        # A vector's equations by its rows, on both axes; their factor; the mean is truncated as columns fill up.
        drawn = 2 * rows * size**2 + (users + movies) * size**3 / 3
        kept = (users + movies) * 2 * width * (width + columns) / max(1, _ROOM // train.sampler_rank)
        return epochs * (drawn + kept)
    if train.method == "sgd":
        padded = -(-model.embedding_size // _VECTOR) * _VECTOR
        return epochs * rows * (padded + _VECTOR)  # the rest of an update is as much as 16 numbers more
    return epochs * rows


def fit_epochs(settings: Resolved) -> int:
    """Epochs of a fit without early stopping, or sweeps of all chains."""
    train = settings.train
    return train.chains * train.sweeps if isinstance(train, SamplerTraining) else train.epochs


def fit_step(workload: Workload, *, rows: list[float]) -> StepCost:
    """One fit per number of rows, of all epochs: valid errors often fall until the last one."""
    settings, epochs = workload.settings, fit_epochs(workload.settings)
    hosts = workload.hosts if trains_on_ranks(settings) else 1
    sizes = {"users": workload.users, "movies": workload.movies, "epochs": epochs}
    cores = _cores(settings, max(rows))
    parts = [
        Part(rate, share * fit_units(settings, rows=each, **sizes), lanes=cores)
        for each in rows
        for rate, share in _rates(workload, each)
    ]
    if settings.train.method == "sgd":
        # Half of the work, as placing and shuffling rows, is shared by all threads.
        parts += [Part("block_row", sum(rows) / 2, lanes=lanes) for lanes in (hosts, cores)]
    size = settings.model.embedding_size
    sent = len(rows) * epochs * workload.movies * (size + 1) * 4 if hosts > 1 else 0
    written = 4.0 * (workload.users + workload.movies) * (size + 1)
    reads = [Part("read_row", sum(rows))]  # every rank reads all rows, and keeps those of its users
    return StepCost([*reads, *parts], _memory(workload, max(rows), hosts), written, sent, hosts)


def trains_on_ranks(settings: Resolved) -> bool:
    """Whether several hosts can share the fit."""
    return isinstance(settings.train, GradientTraining) and settings.train.method == "sgd"


def _rates(workload: Workload, rows: float) -> list[tuple[str, float]]:
    """The rates of a fit, and the share of the work that each has: vectors of a block may not fit into the cache."""
    if workload.settings.train.method != "sgd":
        return [(fit_key(workload.settings), 1.0)]
    padded = -(-workload.settings.model.embedding_size // _VECTOR) * _VECTOR
    block = 4 * (padded + 5) * (workload.users + workload.movies) / groups_for(int(rows))
    far = min(1.0, max(0.0, math.log(block / _CACHED) / math.log(_UNCACHED / _CACHED)))
    return [(NEAR, 1 - far), (FAR, far)]


def _cores(settings: Resolved, rows: float) -> float:
    """Blocks of a diagonal share neither users nor movies: at most as many cores work at the same time."""
    if isinstance(settings.train, SamplerTraining):
        return _MANY
    return groups_for(int(rows)) if settings.train.method == "sgd" else _TORCH_CORES


def _memory(workload: Workload, rows: float, hosts: int) -> float:
    """Rows in two orders; tables of users and movies: the current ones, the best ones, and a copy to write."""
    settings, size = workload.settings, workload.settings.model.embedding_size
    both = workload.users + workload.movies
    valid = 12 * workload.valid_rows
    if isinstance(settings.train, SamplerTraining):
        chain = settings.train.sampler_rank + 1
        tables = 4 * both * (_CHAIN_TABLES * chain + 2 * (size + _ROOM))
        return _GIBBS_ROW * rows + valid * 2 + tables
    if settings.train.method == "sgd":
        if hosts > 1:
            return _rank_memory(workload, rows, hosts)
        return _SGD_ROW * rows + valid + 4 * both * _table_columns(size) + 8 * workload.users
    return _TORCH_ROW * rows + valid + 4 * both * 4 * size


def _table_columns(size: int) -> int:
    """Numbers of a user or a movie in the padded vectors and in three tables of weights."""
    return -(-size // _VECTOR) * _VECTOR + 3 * (size + 1)


def _rank_memory(workload: Workload, rows: float, hosts: int) -> float:
    """A rank has its users and their rows, but all valid rows, and counts and groups of all users and movies.

    At the end, the first rank collects the tables of all users and joins them.
    """
    size, both = workload.settings.model.embedding_size, workload.users + workload.movies
    own = workload.users / hosts + workload.movies
    every = 12 * workload.valid_rows + _COUNTED * both
    fit = _SGD_ROW * rows / hosts + 4 * own * _table_columns(size)
    collected = 4 * (3 * own + 2 * both) * (size + 1)
    return every + max(fit, collected)
