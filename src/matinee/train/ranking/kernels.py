# mypy: disable-error-code="no-untyped-def"
"""Compiled loops over the ratings of users and of movies. Each writes only its own rows: no race, the same bits."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def place(keys, others, codes, free, out_others, out_codes):
    """Put rows where their key has its next free place."""
    for row in range(len(keys)):
        at = free[keys[row]]
        free[keys[row]] = at + 1
        out_others[at] = others[row]
        out_codes[at] = codes[row]


@numba.njit(nogil=True, cache=True)
def transpose(first, last, starts, others, codes, free, out_keys, out_codes):
    """Group by `others` what is grouped by key, keys from first to last; in each group keys ascend."""
    for key in range(first, last):
        for row in range(starts[key], starts[key + 1]):
            at = free[others[row]]
            free[others[row]] = at + 1
            out_keys[at] = key
            out_codes[at] = codes[row]


@numba.njit(nogil=True, cache=True)
def sum_by_user(parts, bounds, starts, movies, codes, step, tables, out):
    """out[user] = sum over the user's movies of tables[0, movie] + grade * tables[1, movie]."""
    width = tables.shape[2]
    for part in parts:
        for user in range(bounds[part], bounds[part + 1]):
            for column in range(width):
                out[user, column] = 0
            for row in range(starts[user], starts[user + 1]):
                movie, grade = movies[row], np.float32(codes[row] * step)
                if grade == 0:
                    for column in range(width):
                        out[user, column] += tables[0, movie, column]
                else:
                    for column in range(width):
                        out[user, column] += tables[0, movie, column] + grade * tables[1, movie, column]


@numba.njit(nogil=True, cache=True)
def sum_by_movie(parts, bounds, starts, users, codes, step, table, out):
    """out[0, movie] = sum over the movie's users of table[user]; out[1, movie] the same times their grades."""
    width = table.shape[1]
    for part in parts:
        for movie in range(bounds[part], bounds[part + 1]):
            for column in range(width):
                out[0, movie, column] = 0
                out[1, movie, column] = 0
            for row in range(starts[movie], starts[movie + 1]):
                user, grade = users[row], np.float32(codes[row] * step)
                if grade == 0:
                    for column in range(width):
                        out[0, movie, column] += table[user, column]
                else:
                    for column in range(width):
                        out[0, movie, column] += table[user, column]
                        out[1, movie, column] += grade * table[user, column]


@numba.njit(nogil=True, cache=True)
def movie_products(
    parts,
    first,
    block,
    last,
    movie_starts,
    users,
    movie_codes,
    user_starts,
    movies,
    user_codes,
    step,
    roots,
    panel,
):
    """Rows of the scaled Gram matrix for `parts`, movies of the block that begins at `first`.

    panel[feature * block + movie - first, the place of (other feature, other movie)], for other movies before `last`.
    """
    sums = np.empty((last, 4), np.float32)
    for movie in parts:
        sums[:] = 0
        for row in range(movie_starts[movie], movie_starts[movie + 1]):
            user, grade = users[row], np.float32(movie_codes[row] * step)
            for other_row in range(user_starts[user], user_starts[user + 1]):
                other = movies[other_row]
                if other >= last:
                    break
                other_grade = np.float32(user_codes[other_row] * step)
                sums[other, 0] += np.float32(1)
                sums[other, 1] += other_grade
                sums[other, 2] += grade
                sums[other, 3] += grade * other_grade
        for feature in range(2):
            line = feature * block + movie - first
            for other in range(last):
                at = other // block * 2 * block + other % block
                root = roots[feature, movie]
                panel[line, at] = root * roots[0, other] * sums[other, 2 * feature]
                panel[line, at + block] = root * roots[1, other] * sums[other, 2 * feature + 1]


@numba.njit(nogil=True, cache=True)
def user_products(
    parts,
    first,
    last,
    user_starts,
    movies,
    user_codes,
    movie_starts,
    users,
    movie_codes,
    step,
    inverses,
    panel,
):
    """Rows of X D^-1 X' for `parts`, users of the block that begins at `first`, and other users before `last`."""
    sums = np.empty(last, np.float32)
    for user in parts:
        sums[:] = 0
        for row in range(user_starts[user], user_starts[user + 1]):
            movie, grade = movies[row], np.float32(user_codes[row] * step)
            alone, times = inverses[0, movie], grade * inverses[1, movie]
            for other_row in range(movie_starts[movie], movie_starts[movie + 1]):
                other = users[other_row]
                if other >= last:
                    break
                sums[other] += alone + times * np.float32(movie_codes[other_row] * step)
        for other in range(last):
            panel[user - first, other] = sums[other]
