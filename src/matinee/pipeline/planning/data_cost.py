"""Work and memory of the steps that pass over all rows once: ingest, split, evaluate and publish."""

from collections.abc import Iterator
from typing import Final

from matinee.pipeline.planning.fit_cost import fit_key, fit_units
from matinee.pipeline.planning.rank_cost import RankFit
from matinee.pipeline.planning.workload import Part, StepCost, Workload
from matinee.settings import Settings
from matinee.train.ranking.quick import QUICK

_MOST_KEYS: Final = 1 << 27  # of pairs that are sorted at the same time, 8 bytes each
_PARSED: Final = 3e8  # blocks of text that are parsed and written meanwhile
_BATCH: Final = 3e8  # rows of a batch as a data frame, with their ids and codes
_SOURCE_ROW: Final = 25  # bytes of a row of CSV
_ID_BYTES: Final = 60  # of a user or a movie in tables of ids, counts and codes
# Two blocks are parsed at the same time; a third of the work is left to one thread: writing, and sorting the pairs.
_PARSERS: Final = 1.3
ORDERS: Final = 2  # of lists with scores of their own: by preference and by expected rating
_TEST_ROW: Final = 150  # bytes: rows and ids, errors of three models, slices, and sums by user and by movie
_HOLDOUT_ROWS: Final = 5_000_000
_HOLDOUT_USERS, _HOLDOUT_FITTED = 20_000, 8192
_HOLDOUT_SHARE: Final = 0.9  # rows before the cut
_TOGETHER: Final = 200_000_000  # rows up to which the temporal holdout runs at the same time as the rest
_LIKED: Final = 0.9  # share of users who liked a test row, where they have some
_RELEASE_ROW: Final = 9 + 10  # bytes of a row: two codes and its level, and grouped by user and by movie
_SPLIT_LANES: Final = 1.4  # rows are compressed while the next ones are divided
_LIST_LANES: Final = 64.0
_EVALUATE_LANES: Final = 1.3  # the baselines work on all cores, the rest on one


def ingest_step(workload: Workload, disk_row: float) -> StepCost:
    """Hash the files, parse and check each row; pairs are sorted to find those rated twice."""
    memory = 8.0 * min(workload.ratings, _MOST_KEYS * 9 / 8) + _PARSED + _ID_BYTES * workload.users
    hashed = Part("hashed_byte", _SOURCE_ROW * workload.ratings, lanes=2)
    disk = disk_row * workload.ratings
    return StepCost([hashed, Part("ingest_row", workload.ratings, _PARSERS)], memory, disk)


def split_step(workload: Workload, disk_row: float) -> StepCost:
    """Hash each row twice, look up its codes, and write it to a subset, batch by batch."""
    memory = _BATCH + 2.0 * _ID_BYTES * (workload.users + workload.movies)
    if workload.settings.split.strategy in ("shuffle", "last_n"):
        memory += 32.0 * workload.ratings  # these need all rows at the same time
    return StepCost([Part("split_row", workload.ratings, _SPLIT_LANES)], memory, disk_row * workload.ratings)


def evaluate_step(workload: Workload) -> StepCost:
    """Errors on the test rows and baselines; lists of some users in several orders; then the plots."""
    users = ranked_users(workload)
    lists = _lists(users, workload.movies, ORDERS - 1 if workload.plays else ORDERS)
    parts = [Part("evaluate_row", workload.ratings, _EVALUATE_LANES), *lists]
    size = workload.settings.model.embedding_size
    tables = 4.0 * (workload.users + workload.movies) * (8 + (0 if workload.plays else size))
    memory = 12 * workload.fitted_rows + _TEST_ROW * workload.test_rows + tables
    memory += 4 * workload.fitted_rows * users / max(workload.users, 1)
    return StepCost(parts, memory)


def ranked_users(workload: Workload) -> float:
    """Users whose lists are measured."""
    with_rows = min(float(workload.users), workload.test_rows)
    return min(_LIKED * with_rows, workload.settings.evaluate.ranking_users)


def runs_together(workload: Workload) -> bool:
    """Whether evaluation and temporal holdout run at the same time."""
    return workload.ratings <= _TOGETHER


def holdout_step(workload: Workload) -> StepCost:
    """A ranking model, lists and two quick fits on at most 5 million rows, whatever the settings."""
    rows = min(float(workload.ratings), _HOLDOUT_ROWS)
    users = workload.users * rows / max(workload.ratings, 1)
    past = rows * _HOLDOUT_SHARE
    fit = _holdout_fit(users, workload.movies, past)
    parts = [
        Part("read_row", workload.ratings),
        *fit.parts(),
        *_lists(min(users, _HOLDOUT_USERS), workload.movies, ORDERS - 1),
    ]
    if not workload.plays:
        quick = Settings().resolved()
        sizes = {
            "users": workload.users,
            "movies": workload.movies,
            "epochs": quick.train.model_dump()["epochs"],
        }
        parts.append(Part("evaluate_row", 2 * rows, _EVALUATE_LANES))
        parts.append(Part(fit_key(quick), 2 * fit_units(quick, rows=past, **sizes), lanes=8))
    return StepCost(parts, 40 * rows + fit.memory() + 8.0 * 40 * workload.users)


def _holdout_fit(users: float, movies: float, rows: float) -> RankFit:
    """All users, or some if both sides are large."""
    if min(users, 2 * movies) <= _HOLDOUT_FITTED:
        return RankFit(users, movies, rows, QUICK)
    return RankFit(_HOLDOUT_FITTED, movies, rows * _HOLDOUT_FITTED / users, QUICK)


def _lists(users: float, movies: float, orders: int) -> Iterator[Part]:
    """Score and order all movies for each user: work for the list, and for each movie."""
    yield Part("list_user", orders * users, _LIST_LANES)
    yield Part("list_cell", orders * users * movies, _LIST_LANES)


def publish_step(workload: Workload, *, fits: int) -> StepCost:
    """Group all rows by user for the lists of seen movies, copy the models, and load the release once.

    Its files are hashed when they are written and when they are loaded.
    """
    size = workload.settings.model.embedding_size
    width = 2.0 if workload.settings.release.storage == "float16" else 4.0
    models = 0.0 if workload.plays else fits * width * (workload.users + workload.movies) * (size + 1)
    rank = RankFit(workload.users, workload.movies, workload.ratings, workload.settings.rank).rank
    disk = 5.0 * workload.ratings + models + 6.0 * rank * workload.movies + 16.0 * workload.users
    memory = _RELEASE_ROW * workload.ratings + 2 * models
    rows = [Part(rate, workload.ratings) for rate in ("read_row", "level_row", "group_row")]
    return StepCost([*rows, Part("hashed_byte", 2 * disk)], memory, disk)
