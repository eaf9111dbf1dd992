# mypy: disable-error-code="no-untyped-def, call-arg"
"""Compiled loops over the ratings of users and of movies. Each writes only its own rows: no race, the same bits."""

import numpy as np

from matinee.store.compiled import njit
from matinee.train.prefetch import LINE, prefetch

# Users between asking for the first cells of a user and reading them, and how many cells: the processor notices by
# itself that those behind are read in order.
_AHEAD, _FIRST_CELLS = 2, 8 * LINE


@njit(nogil=True, cache=True)
def count_keys(parts, bounds, keys, counts):
    """counts[part, key], [parts, keys]: the rows of a key from bounds[part] to bounds[part + 1]."""
    for part in parts:
        for row in range(bounds[part], bounds[part + 1]):
            counts[part, keys[row]] += 1


@njit(nogil=True, cache=True)
def place(parts, bounds, keys, others, codes, free, out_others, out_codes):
    """Put the rows of some parts where their key has its next free place, free [parts, keys]."""
    for part in parts:
        for row in range(bounds[part], bounds[part + 1]):
            at = free[part, keys[row]]
            free[part, keys[row]] = at + 1
            out_others[at] = others[row]
            out_codes[at] = codes[row]


@njit(nogil=True, cache=True)
def count_selected(parts, bounds, keys, places, counts):
    """counts[part]: the rows from bounds[part] to bounds[part + 1] whose key has a place, 0 or above."""
    for part in parts:
        count = 0
        for row in range(bounds[part], bounds[part + 1]):
            count += places[keys[row]] >= 0
        counts[part] = count


@njit(nogil=True, cache=True)
def select(parts, bounds, keys, others, codes, places, starts, out_keys, out_others, out_codes):
    """Copy the rows that `count_selected` counts, in their order; those of a part begin at starts[part]."""
    for part in parts:
        at = starts[part]
        for row in range(bounds[part], bounds[part + 1]):
            key = places[keys[row]]
            if key >= 0:
                out_keys[at], out_others[at], out_codes[at] = key, others[row], codes[row]
                at += 1


@njit(nogil=True, cache=True)
def transpose(parts, bounds, starts, others, codes, free, out_keys, out_codes):
    """Group by `others` what is grouped by key, for the keys from bounds[part] to bounds[part + 1].

    In each group, keys ascend. `free` [parts, others] is the next free place of each group for each part.
    """
    for part in parts:
        for key in range(bounds[part], bounds[part + 1]):
            for row in range(starts[key], starts[key + 1]):
                at = free[part, others[row]]
                free[part, others[row]] = at + 1
                out_keys[at] = key
                out_codes[at] = codes[row]


@njit(nogil=True, cache=True)
def count_repeats(keys, starts, others, most):
    """Raise most[0] to the largest number of rows that a key has with one and the same other code."""
    for key in keys:
        run = 0
        for row in range(starts[key], starts[key + 1]):
            run = run + 1 if row > starts[key] and others[row] == others[row - 1] else 1
            most[0] = max(most[0], run)


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def movie_products(
    parts,
    first,
    block,
    last,
    movie_starts,
    users,
    movie_codes,
    user_starts,
    cells,
    unit,
    bits,
    repeats,
    step,
    roots,
    panel,
):
    """Rows of the scaled Gram matrix for `parts`, movies of the block that begins at `first`.

    panel[feature * block + movie - first, the place of (other feature, other movie)], for other movies before `last`.
    `cells`, `unit`, `bits` and `repeats` are `Group.packed` of the users' ratings.

    The four sums of a pair of movies are fields of one 64-bit word, so that a common user takes one addition: the
    number of users, the grades g' of the other movie, the grades g of the movie, and the products g g'. A user adds
    1 + g' * 2**to_other + g * 2**to_grade + g g' * 2**to_product. The fields have 16 - bits, 16, 16 and 16 + bits bits.
    None overflows before 2**(16 - bits) - 1 additions; then the words are added to `totals`.
    """
    count_bits, grade_bits = 16 - bits, 16
    most = ((1 << count_bits) - 1) // repeats
    to_other, to_grade = np.uint64(count_bits), np.uint64(count_bits + grade_bits)
    to_product = np.uint64(count_bits + 2 * grade_bits)
    count_mask, grade_mask = np.uint64((1 << count_bits) - 1), np.uint64((1 << grade_bits) - 1)
    end = np.uint32(last) << np.uint32(8)
    words = np.empty(last, np.uint64)
    totals = np.empty((last, 4), np.float32)
    for movie in parts:
        totals[:] = 0
        for begin in range(movie_starts[movie], movie_starts[movie + 1], most):
            words[:] = 0
            stop = min(begin + most, movie_starts[movie + 1])
            for row in range(begin, stop):
                later = user_starts[users[min(row + _AHEAD, stop - 1)]]
                for line in range(later, later + _FIRST_CELLS, LINE):
                    prefetch(cells, line)
                user, grade = users[row], np.uint64(movie_codes[row] // unit)
                without_grade = np.uint64(1) | grade << to_grade
                per_grade = np.uint64(1) << to_other | grade << to_product
                for other_row in range(user_starts[user], user_starts[user + 1]):
                    cell = cells[other_row]
                    if cell >= end:
                        break
                    other_grade = np.uint64(cell & np.uint32(255))
                    words[cell >> np.uint32(8)] += without_grade + other_grade * per_grade
            for other in range(last):
                word = words[other]
                totals[other, 0] += np.float32(word & count_mask)
                totals[other, 1] += step * np.float32(word >> to_other & grade_mask)
                totals[other, 2] += step * np.float32(word >> to_grade & grade_mask)
                totals[other, 3] += step * step * np.float32(word >> to_product)
        for feature in range(2):
            line = feature * block + movie - first
            for other in range(last):
                at = other // block * 2 * block + other % block
                root = roots[feature, movie]
                panel[line, at] = root * roots[0, other] * totals[other, 2 * feature]
                panel[line, at + block] = root * roots[1, other] * totals[other, 2 * feature + 1]


@njit(nogil=True, cache=True)
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
    known,
    panel,
):
    """Add rows of X D^-1 X' for `parts`, users of the block that begins at `first`, and other users before `last`.

    The sums over movies that are `known` [movies] are in the panel already.
    """
    sums = np.empty(last, np.float32)
    for user in parts:
        sums[:] = panel[user - first, :last]
        for row in range(user_starts[user], user_starts[user + 1]):
            movie, grade = movies[row], np.float32(user_codes[row] * step)
            if known[movie]:
                continue
            alone, times = inverses[0, movie], grade * inverses[1, movie]
            for other_row in range(movie_starts[movie], movie_starts[movie + 1]):
                other = users[other_row]
                if other >= last:
                    break
                sums[other] += alone + times * np.float32(movie_codes[other_row] * step)
        for other in range(last):
            panel[user - first, other] = sums[other]
