# mypy: disable-error-code="no-untyped-def"
"""The inner loops of ranking: rows by user, lists by one order of all movies, and places of liked movies in a list."""

import numpy as np

from matinee.store.compiled import njit


@njit(nogil=True, cache=True)
def count_places(codes, place, counts):
    """Add the rows of each code to counts[place[code]]; those of place -1 are passed over."""
    for row in range(codes.size):
        here = place[codes[row]]
        if here >= 0:
            counts[here] += 1


@njit(nogil=True, cache=True)
def fill_places(codes, place, values, free, lists):
    """Write each row's value to the next free place of its code's list, and move that on; as `count_places` counts."""
    for row in range(codes.size):
        here = place[codes[row]]
        if here >= 0:
            lists[free[here]] = values[row]
            free[here] += 1


# The flags let comparisons be counted many at a time; infinities keep their meaning.
@njit(nogil=True, cache=True, fastmath={"nnan", "nsz", "reassoc"})
def count_ahead(scores, offset, starts, liked, ahead):
    """Set `ahead` [users] to the movies that stand before the best of a user's liked ones, by scores [users, movies].

    `offset` [movies] is added to a score; liked[starts[i]:starts[i+1]] are user i's, in any order. Of equal scores the
    lower code is first. -1 where the scores of all liked movies are -inf.
    """
    users, movies = scores.shape
    for i in range(users):
        row = scores[i]
        best, at = np.float32(-np.inf), movies
        for place in range(starts[i], starts[i + 1]):
            movie = liked[place]
            score = row[movie] + offset[movie]
            if score > best or (score == best and movie < at < movies):
                best, at = score, movie
        if at == movies:
            ahead[i] = -1
            continue
        count = 0
        for movie in range(at):
            count += row[movie] + offset[movie] >= best
        for movie in range(at + 1, movies):
            count += row[movie] + offset[movie] > best
        ahead[i] = count


@njit(nogil=True, cache=True)
def follow_order(users, order, place, seen_starts, seen, liked_starts, liked, shown, ahead):
    """Lists of some users by one order of the movies, without those that each has seen.

    `place` [movies] is where a movie stands in `order`, -1 for one that no list shows. User i has seen
    seen[seen_starts[i]:seen_starts[i+1]]; liked_starts and liked are the same for liked movies. `shown` [users, length]
    gets the first movies of each list, and `ahead` [users] the movies before the first liked one, -1 without any.
    """
    hidden = np.zeros(place.size, np.bool_)
    for line in range(users.size):
        i = users[line]
        for row in range(seen_starts[i], seen_starts[i + 1]):
            hidden[seen[row]] = True
        filled = 0
        for movie in order:
            if filled == shown.shape[1]:
                break
            if not hidden[movie]:
                shown[line, filled] = movie
                filled += 1
        first = order.size
        for row in range(liked_starts[i], liked_starts[i + 1]):
            movie = liked[row]
            if place[movie] >= 0 and not hidden[movie]:
                first = min(first, place[movie])
        ahead[line] = first if first < order.size else -1
        for row in range(seen_starts[i], seen_starts[i + 1]):
            movie = seen[row]
            if hidden[movie] and first < order.size and 0 <= place[movie] < first:
                ahead[line] -= 1
            hidden[movie] = False
