"""From ratings to a ranking model: a ridge regression from what users rated to what they liked, cut to few columns.

Each user is x = [rated, grade], two numbers per movie; the target is y = rated_weight * rated + grade. A denoising
linear autoencoder (Steck 2020) is B = (X'X + D)^-1 X'Y with D = penalty + p / (1 - p) * diag(X'X). What a movie says
about itself is then set to 0: lists leave out what a user rated, and few columns would spend themselves on it. The best
form of rank k is B V V', with V the leading eigenvectors of B' X'X B (reduced-rank regression); a Krylov space has them
from products with B alone, so that nothing of the size of B is ever made.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from matinee.release.arrays import Counts
from matinee.release.ranking_model import Floats, Grades, RankingModel, grade_codes
from matinee.release.rating_levels import to_levels
from matinee.settings.ranking import RankSettings
from matinee.store import progress
from matinee.store.ratings import count_codes
from matinee.train.blocks import KernelPool
from matinee.train.ranking.krylov import KrylovSpace
from matinee.train.ranking.normal import Normal, make_normal
from matinee.train.ranking.rare_movies import add_rare_movies, frequent_movies
from matinee.train.ranking.rows import GradedRows, check_codes, group_rows, select_rows

# More columns are hardly better (docs/notes.md); with a large catalog they are what lists and releases cost.
_RANKS = ((10_000, 192), (100_000, 128))  # up to so many movies
_LARGE_RANK = 64
# Plays have one indicator for each movie where ratings have two, so less is shared out (docs/notes.md).
_PENALTY, _PLAYS_PENALTY = 800.0, 300.0
# Columns of the product that finds the diagonals of B: with so few movies they are exact. A table of that product has
# no more cells than this, unless the tables of the fit have.
_PROBES, _PROBE_CELLS = 256, 1 << 24


@dataclass(frozen=True)
class RankProgress:
    """One point of a fit: what is done and how much of it.

    `products` and `factor` come first, then `iterations` with `halves` between them; the others are parts of a solve.
    """

    stage: str  # products, factor, iterations, halves, solve, multiply or gradients
    done: int
    total: int
    seconds: float  # since the fit began


RankListener = Callable[[RankProgress], None]


def fit_ranking(
    user_codes: npt.NDArray[np.int32],
    movie_codes: npt.NDArray[np.int32],
    ratings: npt.NDArray[np.float32],
    *,
    users: int,
    movies: int,
    scale: tuple[float, float],
    settings: RankSettings,
    seed: int = 0,
    threads: int = 1,
    device: str | None = None,
    checkpoint: Path | None = None,
    listener: RankListener | None = None,
) -> RankingModel:
    """Fit a ranking model; the bits depend on the ratings, the settings and the seed, not on rows' order or threads.

    On a GPU, two fits may differ by rounding.

    Args:
        user_codes, movie_codes, ratings: one entry per rating, no pair twice.
        users, movies: number of codes.
        scale: lowest and highest rating; equal where there are only plays.
        settings: see RankSettings.
        seed: of the vectors that the iteration starts from.
        threads: CPU threads.
        device: device of torch that solves the equations; None: compiled kernels on the CPU.
        checkpoint: where rounds are kept; a fit that was killed goes on from the last one with the same bits.
        listener: called between pieces of work; what it raises stops the fit.

    Returns:
        The model; its rank is no more than the movies that somebody rated.

    Raises:
        ValueError: a code is outside its range.
        DeviceMemoryError: the GPU has too little free memory.
    """
    grades = grade_codes(to_levels(ratings, scale))
    grouped = group_for_ranking(
        user_codes, movie_codes, grades, users=users, movies=movies, scale=scale, threads=threads
    )
    return fit_grouped(
        grouped, settings=settings, seed=seed, device=device, checkpoint=checkpoint, listener=listener
    )


@dataclass(frozen=True)
class RankingRows:
    """What a fit reads: the ratings of the movies to fit and of those that are added, by user and by movie."""

    frequent: GradedRows
    rare: GradedRows | None  # None if all movies are fitted
    frequent_codes: npt.NDArray[np.intp]
    counts: Counts  # ratings of each movie
    scale: tuple[float, float]


def group_for_ranking(
    user_codes: npt.NDArray[np.int32],
    movie_codes: npt.NDArray[np.int32],
    grades: Grades,
    *,
    users: int,
    movies: int,
    scale: tuple[float, float],
    threads: int = 1,
) -> RankingRows:
    """Group ratings for `fit_grouped`, so that the caller can free the columns before the fit.

    Args:
        user_codes, movie_codes, grades: one entry per rating, no pair twice; grades as `grade_codes` has them.
        users, movies: number of codes.
        scale: lowest and highest rating; equal where there are only plays.
        threads: CPU threads.

    Returns:
        The ratings, in an order that does not depend on that of the columns.

    Raises:
        ValueError: a code is outside its range.
    """
    check_codes(user_codes, movie_codes, users=users, movies=movies)
    pool = KernelPool(threads)
    counts = count_codes(movie_codes, movies)
    frequent = frequent_movies(counts, users=users)

    def group(codes: npt.NDArray[np.intp]) -> GradedRows:
        """The ratings of some movies."""
        some = select_rows(user_codes, movie_codes, grades, codes=codes, movies=movies, pool=pool)
        return group_rows(*some, users=users, movies=len(codes), pool=pool)

    if len(frequent) == movies:
        whole = group_rows(user_codes, movie_codes, grades, users=users, movies=movies, pool=pool)
        return RankingRows(whole, None, frequent, counts, scale)
    rare = group(np.setdiff1d(np.arange(movies), frequent))
    return RankingRows(group(frequent), rare, frequent, counts, scale)


def fit_grouped(
    given: RankingRows,
    *,
    settings: RankSettings,
    seed: int = 0,
    device: str | None = None,
    checkpoint: Path | None = None,
    listener: RankListener | None = None,
) -> RankingModel:
    """Fit a ranking model; see `fit_ranking`. Raises DeviceMemoryError if the GPU has too little free memory."""
    report = _report_to(listener)
    rows, rare, counts, scale = given.frequent, given.rare, given.counts, given.scale
    with threadpool_limits(1, "blas"):  # at two threads its sums have other bits
        ridge = _ridge(rows, settings, scale)
        normal = make_normal(rows, ridge, memory=settings.dense_mb << 20, device=device, report=report)
        cut = _Cut(rows, normal, ridge, settings)
        rank = min(settings.rank or _usual_rank(len(counts)), cut.known)
        model = cut.run(rank, seed=seed, checkpoint=checkpoint, report=report)
        if rare is None:
            return model
        del normal, cut  # the factor is half of the memory
        encoder, decode = add_rare_movies(
            model, rows, rare, ridge=_ridge(rare, settings, scale), weight=np.float32(settings.rated_weight)
        )
    others = np.setdiff1d(np.arange(len(counts)), given.frequent_codes)
    return _together(model, given.frequent_codes, (*encoder, decode), others, counts)


def usual_penalty(scale: tuple[float, float]) -> float:
    """The penalty that did best on most data sets; `scale` has one value for plays."""
    return _PENALTY if scale[0] < scale[1] else _PLAYS_PENALTY


def _usual_rank(movies: int) -> int:
    return next((rank for most, rank in _RANKS if movies <= most), _LARGE_RANK)


def _ridge(rows: GradedRows, settings: RankSettings, scale: tuple[float, float]) -> Floats:
    """The diagonal D, [2, movies]."""
    penalty = settings.penalty or usual_penalty(scale)
    ridge = penalty + settings.dropout / (1 - settings.dropout) * rows.squares
    return ridge.astype(np.float32)


def _together(
    model: RankingModel,
    frequent: npt.NDArray[np.intp],
    tables: tuple[Floats, ...],
    rare: npt.NDArray[np.intp],
    counts: Counts,
) -> RankingModel:
    """The model of all movies, from one of the frequent ones and three tables of the rare ones."""
    joined = model.rearranged(frequent, np.arange(len(frequent)), movies=len(counts))
    for whole, some in zip((joined.encode_rated, joined.encode_liked, joined.decode), tables, strict=True):
        whole[rare] = some
    return replace(joined, popularity=np.log1p(counts).astype(np.float32))


def _report_to(listener: RankListener | None) -> Callable[[str, int, int], None]:
    """A function that adds the seconds since now to a point, and passes it on."""
    started = time.perf_counter()

    def report(stage: str, done: int, total: int) -> None:
        progress.part(stage, done, total)
        if listener is not None:
            listener(RankProgress(stage, done, total, time.perf_counter() - started))

    return report


class _Cut:
    """The leading eigenvectors of B' X'X B, by products with B and its transpose."""

    def __init__(self, rows: GradedRows, normal: Normal, ridge: Floats, settings: RankSettings) -> None:
        self._rows, self._normal, self._ridge = rows, normal, ridge[..., None]
        self._weight, self._iterations = np.float32(settings.rated_weight), settings.iterations
        self._rated = rows.by_movie.starts[1:] > rows.by_movie.starts[:-1]
        self.known = int(self._rated.sum())
        self._own: Floats = np.zeros((2, rows.movies), np.float32)

    def run(
        self, rank: int, *, seed: int, checkpoint: Path | None, report: Callable[[str, int, int], None]
    ) -> RankingModel:
        """Iterate from seeded vectors, or from a checkpoint, and make the model of the best vectors found."""
        space = KrylovSpace(self._rated, rank=rank, iterations=self._iterations, seed=seed)
        if checkpoint is not None:
            space.resume(checkpoint)
        self._own = self._find_own(self._probes(space.width))
        total = space.blocks
        while (done := space.done) < total:
            block = space.newest
            encoder = self._encode(block)
            report("halves", 2 * done + 1, 2 * total)
            product = self._normal.gram(encoder)
            space.add(encoder, product)
            if space.done < total:
                space.extend(self._back(product))
                if checkpoint is not None:
                    space.save(checkpoint)
            report("iterations", space.done, total)
        return self._model(space.encoder, space.basis, space.turn(rank))

    def _encode(self, basis: Floats) -> Floats:
        """B Q; with T = [rated_weight I; I] the target is X T, so B = T - (X'X + D)^-1 D T."""
        target = np.stack([self._weight * basis, basis])
        target -= self._normal.solve(self._ridge * target)
        target -= self._own[..., None] * basis
        return target

    def _back(self, product: Floats) -> Floats:
        """B' W."""
        left = self._normal.solve(product.copy(), rough=True)
        left *= self._ridge
        np.subtract(product, left, out=left)
        found: Floats = self._weight * left[0] + left[1]
        for own, values in zip(self._own, product, strict=True):
            found -= own[:, None] * values
        return found

    def _probes(self, width: int) -> int:
        movies = self._rows.movies
        return max(width, min(movies, _PROBES, _PROBE_CELLS // movies))

    def _find_own(self, groups: int) -> Floats:
        """The diagonals of B, [2, movies], from one product with as many columns as there are groups of movies.

        Movies of a group share a column, so each diagonal has an error: the weights of the others in the group, with
        random signs. Only popular movies have large weights, and each group has about as many of them as any other.
        """
        order = np.argsort(self._rows.by_movie.starts[:-1] - self._rows.by_movie.starts[1:], kind="stable")
        group = np.empty(len(order), np.int64)
        group[order] = np.arange(len(order)) % groups
        sign = np.random.Generator(np.random.Philox(0)).choice(np.array([-1, 1], np.float32), len(order))
        movies = np.arange(len(order))
        probe = np.zeros((len(order), groups), np.float32)
        probe[movies, group] = sign
        own: Floats = self._encode(probe)[:, movies, group] * sign
        return own

    def _model(self, encoder: Floats, basis: Floats, turn: Floats) -> RankingModel:
        counts = self._rows.by_movie.starts[1:] - self._rows.by_movie.starts[:-1]
        # Movies that nobody rated: whatever rounding left there goes.
        rated, liked, decode = (
            np.where(self._rated[:, None], table @ turn, np.float32(0)) for table in (*encoder, basis)
        )
        return RankingModel(rated, liked, decode, popularity=np.log1p(counts).astype(np.float32))
