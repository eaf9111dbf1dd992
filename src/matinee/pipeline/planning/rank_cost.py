"""Work and memory of the ranking model. All of its formulas are here.

`matinee.train.ranking` reads X with `input_columns` columns, and factors the matrix of the smaller side if it fits into
`rank.dense_mb`; else conjugate gradients multiply by X alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from matinee.pipeline.planning.workload import Part, StepCost, Workload, skew
from matinee.settings import RankSettings
from matinee.train.ranking.method import Method, choose_method
from matinee.train.ranking.quick import QUICK
from matinee.train.ranking.rare_movies import FEWEST
from matinee.train.ranking.tiles import TILE, triangle_bytes

# The same as in the fit: a test compares what follows from them with the fit itself.
_RANKS: Final = ((10_000, 192), (100_000, 128))
_LARGE_RANK: Final = 64
_FREQUENT: Final = 0.48  # of the movies of a large sample have 95% of its ratings
_SPARE: Final = 8
_BLOCK_SHARE: Final = 3
_ROUND: Final = 8
_PROBES, _PROBE_CELLS = 256, 1 << 24
_TRIAL_USERS = 2048
# Fits that choose the penalty: two at the same time, and often a third. Then the lists of their users are compared.
_TRIALS, _TRIAL_LANES = 3, 1.5
_VECTOR: Final = 4  # times as much work for the vector of a user as for a list
# Steps of conjugate gradients on the sample, to three digits and to two.
_STEPS, _ROUGH_STEPS = 20, 9
_DIAGONAL: Final = 5  # multiples of TILE^3: a factor and an inverse in float64 take that many products' time
_COLUMNS: Final = 9  # bytes of a row: two codes and a grade
_GROUPED: Final = 10  # bytes of a row in both groupings (`group_rows`)
_CELL_BYTES: Final = 4  # per row, while the matrix of the movies is made (`Group.packed`)
_TABLES: Final = 6  # tables of features that a product with B has at the same time


@dataclass(frozen=True)
class RankFit:
    """One fit of a ranking model.

    Attributes:
        users, movies, rows: Its size.
        settings: Settings of the ranking model.
    """

    users: float
    movies: float
    rows: float
    settings: RankSettings

    @property
    def method(self) -> Method:
        """How the equations are solved."""
        return choose_method(
            users=int(self.users),
            movies=int(self.fitted_movies),
            ratings=int(self.rows),
            memory=self.settings.dense_mb << 20,
        )

    @property
    def fitted_movies(self) -> float:
        """Movies of the fit. Rarely rated ones of a large catalog are added later, in the time of a few products."""
        if self.movies <= FEWEST or self.users <= 2 * self.movies:
            return self.movies
        return max(FEWEST, _FREQUENT * self.movies)

    @property
    def input_columns(self) -> float:
        """Columns of X: whether a movie is rated, and its grade."""
        return 2 * self.fitted_movies

    @property
    def rank(self) -> int:
        """Length of the vectors."""
        usual = next((rank for most, rank in _RANKS if self.movies <= most), _LARGE_RANK)
        return int(min(self.settings.rank or usual, self.movies))

    @property
    def block(self) -> int:
        """Columns of one product of the Krylov space."""
        spare = self.rank + max(_SPARE, self.rank // _SPARE)
        block = max(-(-self.rank // _BLOCK_SHARE), -(-spare // self.settings.iterations))
        return -(-block // _ROUND) * _ROUND

    @property
    def width(self) -> int:
        """Columns of all products."""
        return int(min(self.block * self.settings.iterations, self.movies))

    @property
    def probes(self) -> int:
        """Columns of the product that finds the diagonal of B."""
        return int(max(self.width, min(self.movies, _PROBES, _PROBE_CELLS // max(int(self.movies), 1))))

    def parts(self) -> Iterator[Part]:
        """Group the rows, set up the equations, and solve them for each block: B Q, X'X B Q and B' W."""
        yield Part("group_row", self.rows)
        spread = skew(self.rows, self.users, self.movies)
        if self.method == "gradients":
            # A step multiplies each row by X and by X'.
            steps = self.width * (_STEPS + _ROUGH_STEPS + 1) + self.probes * _STEPS
            yield Part("product_cell", 2 * self.rows * steps, lanes=64)
            return
        by_movies = self.method == "movies"
        size = self.input_columns if by_movies else self.users
        rows_of_one = self.rows / max(self.users if by_movies else self.movies, 1)
        # Each row meets the other rows of its user (or of its movie), and half of the matrix is enough.
        # The rate of pairs of users is that of the sample, where popular movies are multiplied as columns, four stripes
        # of a panel at the same time.
        pairs = self.rows * rows_of_one * spread / 2
        yield Part("movie_pair", pairs, lanes=64) if by_movies else Part("user_pair", pairs, lanes=4)
        yield from factor_parts(size)
        # Products with the factor; a solution has two halves, and X'X comes from the factor of the movies' matrix.
        flops = 2 * size**2
        columns = self.width * (3 if by_movies else 2) + self.probes
        # Tiles are solved one after the other, and each is then subtracted from those that follow.
        yield Part("solve_flop", flops * columns, lanes=max(1.0, size / (4 * TILE)))
        if not by_movies:
            yield Part("product_cell", 2 * self.rows * (3 * self.width + self.probes), lanes=64)

    def memory(self) -> float:
        """What grouping needs, or the fit: the triangle, and tables of features and of users for one product."""
        selected = _COLUMNS if self.fitted_movies < self.movies else 0  # a copy, without the rare movies
        grouping = (_COLUMNS + selected + _GROUPED) * self.rows
        columns = max(self.block, self.probes)
        tables = 4 * columns * self.movies * 2 * _TABLES + 4 * 3 * self.movies * self.width
        if self.method == "movies":
            dense = triangle_bytes(int(self.input_columns))
            return max(grouping, (_GROUPED + _CELL_BYTES) * self.rows + dense + tables)
        of_users = 4.0 * columns * self.users
        dense = triangle_bytes(int(self.users)) if self.method == "users" else 0
        return max(grouping, _GROUPED * self.rows + dense + tables + of_users)


def factor_parts(size: float) -> Iterator[Part]:
    """The factor of a matrix: products of tiles, and the factor and the inverse of each tile on the diagonal."""
    yield Part("factor_flop", size**3 / 3, lanes=max(1.0, size / TILE))
    yield Part("factor_flop", _DIAGONAL * TILE**2 * size)


def rank_step(workload: Workload, *, rows: float) -> StepCost:
    """Read the rows, choose the penalty by small fits, fit, and write three tables of movies."""
    fit = RankFit(workload.users, workload.movies, rows, workload.settings.rank)
    parts = [Part("read_row", rows)]
    if workload.settings.rank.penalty is None:
        parts += trial_parts(workload, rows)
    return StepCost([*parts, *fit.parts()], fit.memory(), disk=12.0 * fit.rank * workload.movies)


def trial_parts(workload: Workload, rows: float) -> Iterator[Part]:
    """Fits of some users, each on a share of the cores, and lists of their held-out ratings."""
    users = min(workload.users, _TRIAL_USERS)
    drawn = rows * users / max(workload.users, 1)
    trial = workload.settings.rank.model_copy(update={"rank": QUICK.rank, "iterations": QUICK.iterations})
    fit = RankFit(users, min(workload.movies, drawn), drawn, trial)
    lists = [Part("list_cell", users * fit.movies), Part("list_user", _VECTOR * users)]
    yield from (Part(part.rate, _TRIALS * part.units, _TRIAL_LANES) for part in [*fit.parts(), *lists])
