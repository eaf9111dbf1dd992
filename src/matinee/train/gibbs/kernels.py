# mypy: disable-error-code="no-untyped-def"
"""The compiled conditionals of the Gibbs sampler; docs/models.md has the model.

The vectors of an axis are rows of `X`, `size` numbers of which the last is the bias, padded with zeros to whole vector
registers. `E` is what the prior mean leaves of them. Rows of ratings are grouped by the axis's own code.
"""

import math

import numpy as np

from matinee.store.compiled import njit
from matinee.train.gibbs.random_streams import fill_normal, gamma, stream

LANES = 8  # floats in a vector register; the literal lets the compiler unroll loops over a group of columns
_CHUNK = 256  # ratings of one row at a time: their vectors stay in the cache, their sums in float32
_FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(nogil=True, cache=True, fastmath=_FAST)
def draw_vectors(
    chunks, bounds, starts, codes, ratings, X, E, omega, other_X, other_omega,
    size, mean, alpha, precision, nu, seed, sweep, purpose, squared
):  # fmt: skip
    """Draw weight and vector of each row of some chunks given the other axis; `squared` gets squared errors before.

    omega ~ Gamma((nu + n) / 2, (nu + alpha sum w e^2) / 2); the vector is normal with precision
    diag(lambda) + alpha omega sum w d d', where d is the other axis's vector with its bias replaced by 1.
    """
    width = X.shape[1]
    design = np.zeros((_CHUNK, width), np.float32)
    scaled = np.zeros((_CHUNK, width), np.float32)
    partial = np.zeros((width, width), np.float32)
    moment = np.zeros(width, np.float32)
    A, b = np.zeros((width, width)), np.zeros(width)
    normal = np.zeros(width)
    for chunk in chunks:
        total = 0.0
        for row in range(bounds[chunk], bounds[chunk + 1]):
            first, last = starts[row], starts[row + 1]
            if first == last:
                continue
            A[:] = 0.0
            b[:] = 0.0
            weighted = 0.0
            x = X[row]
            for base in range(first, last, _CHUNK):
                count = min(_CHUNK, last - base)
                moment[:] = np.float32(0)
                for i in range(count):
                    d, other = design[i], other_X[codes[base + i]]
                    guess = np.float32(0)
                    for j in range(width):
                        d[j] = other[j]
                    target = ratings[base + i] - mean - d[size - 1]
                    d[size - 1] = np.float32(1)
                    for j in range(width):
                        guess += d[j] * x[j]
                    w = other_omega[codes[base + i]]
                    error = target - guess
                    total += error * error
                    weighted += w * error * error
                    for j in range(width):
                        scaled[i, j] = w * d[j]
                        moment[j] += target * scaled[i, j]
                add_products(design, scaled, count, partial, size)
                for i in range(size):
                    b[i] += moment[i]
                    for j in range(i + 1):
                        A[i, j] += partial[i, j]
            state = stream(seed, sweep, purpose, row)
            omega[row] = gamma(state, 0.5 * (nu + last - first)) / (0.5 * (nu + alpha * weighted))
            scale = alpha * omega[row]
            for i in range(size):
                b[i] = scale * b[i] + precision[i] * (x[i] - E[row, i])
                for j in range(i + 1):
                    A[i, j] *= scale
                A[i, i] += precision[i]
            fill_normal(state, normal, size)
            solve_and_draw(A, b, normal, size)
            for i in range(size):
                E[row, i] += np.float32(b[i]) - x[i]
                x[i] = b[i]
        squared[chunk] = total


@njit(nogil=True, cache=True, fastmath=_FAST)
def add_products(design, scaled, count, into, size):
    """Sum of outer products of `count` rows into the lower triangle of `into`; four rows a pass over it."""
    into[:] = np.float32(0)
    for i in range(count, -(-count // 4) * 4):
        design[i] = np.float32(0)
        scaled[i] = np.float32(0)
    for base in range(0, count, 4):
        d0, d1, d2, d3 = design[base], design[base + 1], design[base + 2], design[base + 3]
        for i in range(size):
            s0, s1, s2, s3 = scaled[base, i], scaled[base + 1, i], scaled[base + 2, i], scaled[base + 3, i]
            line = into[i]
            for j in range((i // LANES + 1) * LANES):
                line[j] += s0 * d0[j] + s1 * d1[j] + s2 * d2[j] + s3 * d3[j]


@njit(nogil=True, cache=True, fastmath=_FAST)
def solve_and_draw(A, b, normal, size):
    """Turn `b` into a draw from the normal distribution with precision A (lower triangle) and mean A^-1 b.

    Cholesky A = L L', row by row, with 1 / L_ii in the diagonal; then L' x = L^-1 b + normal.
    """
    for i in range(size):
        row = A[i]
        for j in range(i):
            above = A[j]
            rest = row[j]
            for k in range(j):
                rest -= row[k] * above[k]
            row[j] = rest * above[j]
        rest, right = row[i], b[i]
        for k in range(i):
            rest -= row[k] * row[k]
            right -= row[k] * b[k]
        row[i] = 1.0 / math.sqrt(rest)
        b[i] = right * row[i]
    for k in range(size):
        b[k] += normal[k]
    for k in range(size - 1, -1, -1):
        b[k] *= A[k, k]
        for j in range(k):
            b[j] -= A[k, j] * b[k]


@njit(nogil=True, cache=True, fastmath=_FAST)
def draw_pull(
    groups, first, last, starts, codes, E, share, pull, pull_mass,
    size, precision, pull_precision, seed, sweep, purpose
):  # fmt: skip
    """Draw what having been rated by (or having rated) each of some rows adds to the other axis's prior mean.

    E_u = x_u - mu - s_u sum y_m is kept up to date. Columns are independent: a group of them is one task.
    """
    total, change = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    normal = np.zeros(LANES)
    for group in groups:
        left = group * LANES
        for row in range(first, last):
            if starts[row] == starts[row + 1]:
                continue
            total[:] = np.float32(0)
            for i in range(starts[row], starts[row + 1]):
                s, e = share[codes[i]], E[codes[i]]
                for j in range(LANES):
                    total[j] += s * e[left + j]
            fill_normal(stream(seed, sweep, purpose, row * 256 + group), normal, LANES)
            for j in range(LANES):
                k = left + j
                change[j] = np.float32(0)
                if k < size:
                    old, mass = np.float64(pull[row, k]), pull_mass[row]
                    spread = pull_precision[k] + precision[k] * mass
                    new = precision[k] * (total[j] + mass * old) / spread + normal[j] / math.sqrt(spread)
                    pull[row, k] = new
                    change[j] = old - new
            for i in range(starts[row], starts[row + 1]):
                s, e = share[codes[i]], E[codes[i]]
                for j in range(LANES):
                    e[left + j] += s * change[j]


@njit(nogil=True, cache=True, fastmath=_FAST)
def residual_sums(chunks, bounds, starts, codes, ratings, X, omega, other_X, other_omega, size, mean, sums):
    """Sums of w, w e and w e^2 over the ratings of some chunks, where w is the product of both axes' weights."""
    width = X.shape[1]
    for chunk in chunks:
        weight = once = twice = 0.0
        for row in range(bounds[chunk], bounds[chunk + 1]):
            x = X[row]
            row_weight = row_once = row_twice = 0.0
            for i in range(starts[row], starts[row + 1]):
                other = other_X[codes[i]]
                guess = np.float32(0)
                for j in range(width):
                    guess += x[j] * other[j]
                # The last numbers are biases: they add up, where the loop has multiplied them.
                bias, other_bias = x[size - 1], other[size - 1]
                error = ratings[i] - mean - guess + bias * other_bias - bias - other_bias
                w = other_omega[codes[i]]
                row_weight += w
                row_once += w * error
                row_twice += w * error * error
            weight += omega[row] * row_weight
            once += omega[row] * row_once
            twice += omega[row] * row_twice
        sums[chunk, 0], sums[chunk, 1], sums[chunk, 2] = weight, once, twice


@njit(nogil=True, cache=True, fastmath=_FAST)
def predict_pairs(chunks, length, users, movies, X, other_X, size, mean, answers):
    """What this draw predicts for the pairs of some chunks of `length` rows each."""
    width = X.shape[1]
    for chunk in chunks:
        for row in range(chunk * length, min((chunk + 1) * length, len(users))):
            x, other = X[users[row]], other_X[movies[row]]
            guess = np.float32(0)
            for j in range(width):
                guess += x[j] * other[j]
            bias, other_bias = x[size - 1], other[size - 1]
            answers[row] = mean + guess - bias * other_bias + bias + other_bias


@njit(nogil=True, cache=True)
def sum_squares(first, last, starts, codes, share, times, sums):
    """For each of some rows, the squared length of what its pull is multiplied by: its codes' shares.

    A code that occurs d times in a row counts d^2 times: d^2 is the sum of 2 i - 1 up to d. `times` is all 0 before
    and after.
    """
    for row in range(first, last):
        for i in range(starts[row], starts[row + 1]):
            times[codes[i]] += 1
            sums[row] += (2 * times[codes[i]] - 1) * np.float64(share[codes[i]]) ** 2
        for i in range(starts[row], starts[row + 1]):
            times[codes[i]] = 0


@njit(nogil=True, cache=True)
def group_rows(keys, others, ratings, free, to_others, to_ratings):
    """Copy ratings to the next free places of their keys, and move these on."""
    for row in range(len(keys)):
        place = free[keys[row]]
        free[keys[row]] = place + 1
        to_others[place] = others[row]
        to_ratings[place] = ratings[row]
