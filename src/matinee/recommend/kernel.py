"""The inner loops of lists for all users: users as sums of encoder rows, and the best movies of a block of scores."""

import numpy as np

from matinee.store.compiled import njit

_LANE = 64  # scores whose maximum is looked at before any of them: most lanes hold nothing new


# The flags let the maximum be taken many at a time; infinities keep their meaning.
@njit(nogil=True, cache=True, fastmath={"nnan", "nsz", "reassoc"})
def keep_best(scores, offset, first, seen, place, end, best, codes):
    """Merge scores [users, width] of the movies first..first+width-1 into `best` and `codes` [users, n], in place.

    `offset` [movies] is added to a score. Movies in seen[place[i]:end[i]], ascending codes, are passed over, and
    `place` moves behind those of this block. Lists stay in descending order; of equal scores the lower code is first.
    """
    users, width = scores.shape
    last = best.shape[1] - 1
    shift = offset[first : first + width]
    for i in range(users):
        row = scores[i]
        p = place[i]
        while p < end[i] and seen[p] < first + width:
            row[seen[p] - first] = -np.inf
            p += 1
        place[i] = p
        limit = best[i, last]
        for start in range(0, width, _LANE):
            lane, extra = row[start : start + _LANE], shift[start : start + _LANE]
            highest = np.float32(-np.inf)
            for j in range(lane.size):
                score = lane[j] + extra[j]
                highest = score if score > highest else highest
            if highest <= limit:
                continue
            for j in range(lane.size):
                score = lane[j] + extra[j]
                if score <= limit:
                    continue
                k = last
                while k > 0 and best[i, k - 1] < score:
                    best[i, k] = best[i, k - 1]
                    codes[i, k] = codes[i, k - 1]
                    k -= 1
                best[i, k] = score
                codes[i, k] = first + start + j
                limit = best[i, last]


@njit(nogil=True, cache=True)
def encode_users(starts, movies, grades, rated, liked, vectors):
    """The vectors [users, k] of users, in place: user i rated movies[starts[i]:starts[i+1]] with these grades.

    `rated` and `liked` are the encoder tables [movies, k].
    """
    users, size = vectors.shape
    for i in range(users):
        for d in range(size):
            vectors[i, d] = 0
        for row in range(starts[i], starts[i + 1]):
            movie, grade = movies[row], grades[row]
            if grade > 0:
                for d in range(size):
                    vectors[i, d] += rated[movie, d] + grade * liked[movie, d]
            else:
                for d in range(size):
                    vectors[i, d] += rated[movie, d]


@njit(nogil=True, cache=True)
def keep_capped(best, codes, franchises, per_franchise, years, per_year, n):
    """Cut lists [users, length] in place to their first n movies by limits per franchise and per year.

    `franchises` and `years` [movies] number them; 0 is not counted. What is left of a list is code -1.
    """
    users, length = codes.shape
    for i in range(users):
        kept = 0
        for j in range(length):
            code = codes[i, j]
            if code < 0 or kept == n:
                break
            franchise, year = franchises[code], years[code]
            same_franchise = same_year = 0
            for k in range(kept):
                same_franchise += franchise > 0 and franchises[codes[i, k]] == franchise
                same_year += year > 0 and years[codes[i, k]] == year
            if same_franchise < per_franchise and same_year < per_year:
                best[i, kept], codes[i, kept] = best[i, j], code
                kept += 1
        best[i, kept:] = -np.inf
        codes[i, kept:] = -1
