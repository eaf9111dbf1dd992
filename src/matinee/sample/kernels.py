"""Compiled loops of the sample generator: draw the ratings of a block of users, and write rows as text.

Everything random in a block comes from its own splitmix64 stream, so it does not depend on the thread that draws it.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from matinee import splitmix64
from matinee.store.compiled import njit

# Scores by bias alone lie within 0..7; what does not falls into the first or the last bin.
BIAS_BINS = 140
BIAS_BIN_WIDTH = 0.05

# Above this share of all movies, a key for each movie is cheaper than to try movies until enough are new.
_KEYED_SHARE = 1 / 8
_ROW_BYTES = 64  # more than any row takes, a line `movie:` before it included
_COLON, _COMMA, _LINE_END, _ZERO = ord(":"), ord(","), ord("\n"), ord("0")
_GOLDEN, _LOW_HALF = np.uint64(splitmix64.GOLDEN), np.uint64(0xFFFFFFFF)
_S11, _S32 = np.uint64(11), np.uint64(32)

_Function = TypeVar("_Function", bound=Callable[..., Any])


# The caches of compiled loops name these classes, and a cache with a class that is gone can't be read. The name of a
# cache has the line of its loop. So to rename a class, move the loops that take it by some lines.
class PlantedUsers(NamedTuple):
    """What is planted about users, one entry each."""

    ratings: NDArray[np.int64]  # how many to draw
    score: NDArray[np.float64]  # global mean plus the user's bias
    taste: NDArray[np.float32]  # (users, rank)
    since: NDArray[np.int16]  # first day


class PlantedMovies(NamedTuple):
    """What is planted about movies, one entry each; `alias` and `alias_cut` are Walker's table of `weight`."""

    bias: NDArray[np.float64]
    taste: NDArray[np.float32]  # (movies, rank)
    weight: NDArray[np.float64]  # popularity
    alias: NDArray[np.int32]
    alias_cut: NDArray[np.float64]


class Law(NamedTuple):
    """How tastes and chance become ratings."""

    pull: float  # the odds of a pair grow by exp(pull * fit)
    noise: float  # standard deviation of what no model can know
    days: int  # dates are 0 to days - 1


class RatingRows(NamedTuple):
    """Rows to be written as text."""

    user_id: NDArray[np.int32]
    movie_id: NDArray[np.int32]
    rating: NDArray[np.uint8]
    day: NDArray[np.int16]


class Drawn(NamedTuple):
    """The rows of a block in random order, and what they add to the statistics."""

    user: NDArray[np.int32]  # from 0 within the block
    movie: NDArray[np.int32]  # from 0
    rating: NDArray[np.uint8]
    day: NDArray[np.int16]
    squares: float  # (rating - expected rating) ** 2, summed
    bins: NDArray[np.int64]  # (2, BIAS_BINS) by score without taste: number of rows, sum of ratings


def _compiled(function: _Function) -> _Function:
    return cast(_Function, njit(nogil=True, cache=True)(function))


_mix = _compiled(splitmix64.mix)


@_compiled
def _bits(state: NDArray[np.uint64]) -> np.uint64:
    """The next 64 random bits."""
    state[0] += _GOLDEN
    return _mix(state[0])


@_compiled
def _uniform(state: NDArray[np.uint64]) -> float:
    """A number within (0, 1) and never at its ends, as logarithms are taken of it."""
    return (float(_bits(state) >> _S11) + 0.5) * 2.0**-53


@_compiled
def _fit(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    total = 0.0
    for k in range(len(one)):
        total += one[k] * other[k]
    return total


@_compiled
def _shuffled(state: NDArray[np.uint64], size: int) -> NDArray[np.int32]:
    order = np.arange(size).astype(np.int32)
    for last in range(size - 1, 0, -1):
        other = int(_uniform(state) * (last + 1))
        order[last], order[other] = order[other], order[last]
    return order


@_compiled
def _choose_by_key(
    state: NDArray[np.uint64], pull: NDArray[np.float32], movies: PlantedMovies, wanted: int
) -> NDArray[np.int32]:
    """What `_choose` draws, at a cost that does not grow with `wanted`: keys of Efraimidis and Spirakis (2006)."""
    keys = np.empty(len(movies.weight))
    for movie in range(len(keys)):
        against = 1.0 + math.exp(-_fit(pull, movies.taste[movie]))
        keys[movie] = -math.log(_uniform(state)) * against / movies.weight[movie]
    return np.argsort(keys)[:wanted].astype(np.int32)


@_compiled
def _choose(
    state: NDArray[np.uint64],
    pull: NDArray[np.float32],
    movies: PlantedMovies,
    wanted: int,
    seen: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Distinct movies, drawn one after the other in proportion to weight * sigmoid(pull . taste).

    `seen` is False everywhere, and is so again afterwards.
    """
    size = np.uint64(len(movies.weight))
    chosen = np.empty(wanted, np.int32)
    found = 0
    while found < wanted:
        bits = _bits(state)
        drawn = np.int64(((bits >> _S32) * size) >> _S32)
        keep = float(bits & _LOW_HALF) * 2.0**-32 < movies.alias_cut[drawn]
        movie = drawn if keep else np.int64(movies.alias[drawn])
        if seen[movie]:
            continue
        if _uniform(state) * (1.0 + math.exp(-_fit(pull, movies.taste[movie]))) < 1.0:
            seen[movie] = True
            chosen[found] = movie
            found += 1
    for taken in chosen:
        seen[taken] = False
    return chosen


@_compiled
def _rate(state: NDArray[np.uint64], score: float, noise: float) -> tuple[int, float]:
    """A rating, and the expected one: score plus Gaussian noise, rounded and cut to 1..5.

    P(rating > k) is the mass above k + 1/2, so that one uniform number draws it and the four sum up to the mean.
    """
    draw = _uniform(state)
    rating, expected = 1, 1.0
    for k in range(1, 5):
        above = 0.5 * math.erfc((k + 0.5 - score) / (noise * math.sqrt(2.0)))
        expected += above
        if draw < above:
            rating += 1
    return rating, expected


@_compiled
def draw_block(seed: np.uint64, users: PlantedUsers, movies: PlantedMovies, law: Law) -> Drawn:
    """All ratings of a block's users, no pair twice."""
    rows = users.ratings.sum()
    state = np.array([seed], np.uint64)
    slots = _shuffled(state, rows)
    user_of, movie_of = np.empty(rows, np.int32), np.empty(rows, np.int32)
    rating_of, day_of = np.empty(rows, np.uint8), np.empty(rows, np.int16)
    squares, bins = 0.0, np.zeros((2, BIAS_BINS), np.int64)
    seen = np.zeros(len(movies.weight), np.bool_)
    row = 0
    for user in range(len(users.ratings)):
        taste, since, wanted = users.taste[user], users.since[user], users.ratings[user]
        pull = np.float32(law.pull) * taste
        if wanted > len(seen) * _KEYED_SHARE:
            chosen = _choose_by_key(state, pull, movies, wanted)
        else:
            chosen = _choose(state, pull, movies, wanted, seen)
        for movie in chosen:
            by_bias = users.score[user] + movies.bias[movie]
            rating, expected = _rate(state, by_bias + _fit(taste, movies.taste[movie]), law.noise)
            slot = slots[row]
            user_of[slot], movie_of[slot], rating_of[slot] = user, movie, rating
            day_of[slot] = since + int(_uniform(state) * (law.days - since))
            squares += (rating - expected) ** 2
            place = min(max(int(by_bias / BIAS_BIN_WIDTH), 0), BIAS_BINS - 1)
            bins[0, place] += 1
            bins[1, place] += rating
            row += 1
    return Drawn(user_of, movie_of, rating_of, day_of, squares, bins)


@_compiled
def _put_number(out: NDArray[np.uint8], at: int, number: int) -> int:
    """Write the digits of a positive number from `at` on; returns the place after them."""
    end, rest = at + 1, number // 10
    while rest > 0:
        end, rest = end + 1, rest // 10
    rest = number
    for place in range(end - 1, at - 1, -1):
        out[place] = _ZERO + rest % 10
        rest //= 10
    return end


@_compiled
def format_rows(
    rows: RatingRows, dates: NDArray[np.uint8], section: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Rows as bytes, and where each row starts in them; `dates` has a day's ten characters in a row.

    `section` -1 writes `user,movie,rating,date`. Any other value is the movie whose section is open, in Netflix
    text: a line `movie:` where the movie changes, then `user,rating,date`.
    """
    out = np.empty(len(rows.day) * _ROW_BYTES, np.uint8)
    starts = np.empty(len(rows.day), np.int64)
    at, is_csv = 0, section < 0
    for row in range(len(starts)):
        movie = rows.movie_id[row]
        if not is_csv and movie != section:
            at, section = _put_number(out, at, movie), movie
            out[at], out[at + 1] = _COLON, _LINE_END
            at += 2
        starts[row] = at
        at = _put_number(out, at, rows.user_id[row])
        out[at] = _COMMA
        if is_csv:
            at = _put_number(out, at + 1, movie)
            out[at] = _COMMA
        out[at + 1], out[at + 2] = _ZERO + rows.rating[row], _COMMA
        at += 3
        for place in range(dates.shape[1]):
            out[at + place] = dates[rows.day[row], place]
        at += dates.shape[1]
        out[at] = _LINE_END
        at += 1
    return out[:at], starts
