# mypy: disable-error-code="no-untyped-def, call-arg"
"""The compiled loops of the SGD engine. Each works on the rows of the blocks it is given and on no others."""

import numpy as np

from matinee import splitmix64
from matinee.store.compiled import njit
from matinee.train.prefetch import LINE, prefetch

# Sums of a dot product may be reordered, as vector instructions need it; the order is fixed once compiled.
_FAST = {"reassoc", "contract", "nsz", "arcp"}
_AHEAD = 8  # ratings between asking for a user's vector and reading it
_GOLDEN = np.uint64(splitmix64.GOLDEN)
_mix = njit(nogil=True, cache=True)(splitmix64.mix)


@njit(nogil=True, cache=True)
def count_blocks(parts, bounds, users, movies, user_group, movie_group, groups, counts):
    """counts[part, block]: the rows of a block from bounds[part] to bounds[part + 1]."""
    for part in parts:
        for row in range(bounds[part], bounds[part + 1]):
            counts[part, user_group[users[row]] * groups + movie_group[movies[row]]] += 1


@njit(nogil=True, cache=True)
def place_rows(
    parts,
    bounds,
    users,
    movies,
    ratings,
    user_group,
    movie_group,
    groups,
    free,
    to_users,
    to_movies,
    to_ratings,
):
    """Copy the rows of some parts to the next free places of their blocks, free [parts, blocks], and move these on."""
    for part in parts:
        for row in range(bounds[part], bounds[part + 1]):
            block = user_group[users[row]] * groups + movie_group[movies[row]]
            place = free[part, block]
            free[part, block] = place + 1
            to_users[place] = users[row]
            to_movies[place] = movies[row]
            to_ratings[place] = ratings[row]


@njit(nogil=True, cache=True)
def shuffle_blocks(blocks, starts, seed, users, movies, ratings):
    """Fisher and Yates within each block, drawn from splitmix64 keyed by (seed, block)."""
    for block in blocks:
        state = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(block)
        first = starts[block]
        for last in range(starts[block + 1] - 1, first, -1):
            state += _GOLDEN
            other = first + np.int64((_mix(state) >> np.uint64(1)) % np.uint64(last - first + 1))
            users[last], users[other] = users[other], users[last]
            movies[last], movies[other] = movies[other], movies[last]
            ratings[last], ratings[other] = ratings[other], ratings[last]


@njit(nogil=True, cache=True, fastmath=_FAST)
def descend(
    blocks,
    starts,
    users,
    movies,
    ratings,
    P,
    Q,
    b,
    c,
    mean,
    rate,
    bias_rate,
    user_constants,
    movie_constants,
    shares,
    sums,
):
    """One step per row against half its squared error and its regularization; `sums` gets a block's squared errors.

    `user_constants` and `movie_constants` are [rows, 4]: the step of the vector as a share of the rate, its
    regularization, and the same two of the bias. `shares` says how much of its regularization each column pays.
    """
    size = P.shape[1]
    vectors = P.reshape(-1)
    for block in blocks:
        total = 0.0
        end = starts[block + 1]
        for row in range(starts[block], end):
            later = users[min(row + _AHEAD, end - 1)] * size
            for place in range(later, later + size, LINE):
                prefetch(vectors, place)
            u, m = np.uint32(users[row]), np.uint32(movies[row])  # unsigned: no index counts from the end
            p, q, of_user, of_movie = P[u], Q[m], user_constants[u], movie_constants[m]
            guess = np.float32(0)
            for j in range(size):
                guess += p[j] * q[j]
            error = ratings[row] - mean - b[u] - c[m] - guess
            total += error * error
            rate_p, rate_q = rate * of_user[0], rate * of_movie[0]
            step_p, step_q = rate_p * error, rate_q * error
            shrink_p, shrink_q = rate_p * of_user[1], rate_q * of_movie[1]
            for j in range(size):
                old = p[j]
                p[j] = (np.float32(1) - shrink_p * shares[j]) * old + step_p * q[j]
                q[j] = (np.float32(1) - shrink_q * shares[j]) * q[j] + step_q * old
            b[u] += bias_rate * of_user[2] * (error - of_user[3] * b[u])
            c[m] += bias_rate * of_movie[2] * (error - of_movie[3] * c[m])
        sums[block] = total


@njit(nogil=True, cache=True)
def add_residuals(blocks, starts, codes, others, ratings, mean, other_bias, sums):
    """Add what the mean and the other bias leave of each rating to its code's sum."""
    for block in blocks:
        for row in range(starts[block], starts[block + 1]):
            sums[codes[row]] += ratings[row] - mean - other_bias[others[row]]


@njit(nogil=True, cache=True, fastmath=_FAST)
def predict(chunks, length, users, movies, P, Q, b, c, mean, unit, predictions):
    """Predict the rows of each chunk of `length` rows."""
    size = P.shape[1]
    for chunk in chunks:
        for row in range(chunk * length, min((chunk + 1) * length, len(users))):
            p, q = P[users[row]], Q[movies[row]]
            guess = mean + b[users[row]] + c[movies[row]]
            for j in range(size):
                guess += p[j] * q[j]
            predictions[row] = guess * unit


@njit(nogil=True, cache=True, fastmath={"contract"})
def squared_errors(chunks, length, predictions, ratings, low, high, sums):
    """Sum the squared errors of clipped predictions over each chunk of `length` rows into `sums`."""
    for chunk in chunks:
        total = 0.0
        for row in range(chunk * length, min((chunk + 1) * length, len(ratings))):
            error = min(max(predictions[row], low), high) - ratings[row]
            total += error * error
        sums[chunk] = total
