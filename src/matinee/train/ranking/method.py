"""Chooses how the normal equations are solved: by the sizes alone, so that the same ratings are always fitted alike."""

from typing import Final, Literal

from matinee.errors import ConfigError
from matinee.train.ranking.tiles import triangle_bytes

Method = Literal["movies", "users", "gradients"]  # the side whose matrix is factored, or none
SQUARE: Final = 4  # on a GPU, a square matrix and its factor take four times the memory of a triangle
_SHARE: Final = 0.9  # of a GPU's memory
# A GPU multiplies dense blocks, whose work grows with users x movies^2 however few ratings there are. On an H100,
# products and factor take 7e-15 s per operation, and gradients 2e-7 s per rating. This is half of their quotient, for
# cards whose tensor cores are slower.
_DENSE_PER_RATING: Final = 1.5e7


class DeviceMemoryError(ConfigError):
    """A GPU has too little memory for a fit, which the CPU can make."""


def choose_method(*, users: int, movies: int, ratings: int, memory: int, gpu: int | None = None) -> Method:
    """The cheapest way to solve the equations.

    Args:
        users: Number of users.
        movies: Number of movies with ratings.
        ratings: Number of ratings.
        memory: Maximum bytes of the triangle of a factored matrix.
        gpu: Whole memory of the GPU, not the free part, which changes from run to run; None for compiled kernels.
    """
    by_users, by_movies = triangle_bytes(users), triangle_bytes(2 * movies)
    if gpu is None:
        if min(by_users, by_movies) > memory:
            return "gradients"
        return "users" if by_users < by_movies else "movies"
    columns = 2 * movies
    work = 2 * users * columns**2 + columns**3 / 3
    fits = by_movies <= memory and SQUARE * by_movies <= _SHARE * gpu
    return "movies" if fits and work <= _DENSE_PER_RATING * ratings else "gradients"
