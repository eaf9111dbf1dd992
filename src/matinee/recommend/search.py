"""The search for a user's best movies among all scores: compiled for the CPU, or by torch on a GPU."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matinee.recommend.encode import user_vectors
from matinee.recommend.kernel import keep_best
from matinee.recommend.saved_lists import Lists
from matinee.release import Release, scoring
from matinee.release.arrays import Scores

# Users and movies at a time: their scores take half a megabyte, which fits the cache of a thread with the factors.
_USERS, _MOVIES = 128, 1024
_BYTES_A_SCORE = 32  # on a GPU: scores, their order in 64 bits, and what a sort of both needs besides

Mask = NDArray[np.bool_]  # by movie code: which may be listed
Vectors = Callable[[slice], Scores]  # a range of user codes -> their vectors [users, k]


class Search(Protocol):
    """Finds the best movies of a range of users; nothing in it changes, so threads share it."""

    users_at_a_time: int

    def __call__(self, users: slice) -> Lists:
        """The lists of some users, the best first; of a rating model, scores without what the user adds to each."""
        ...


class KernelSearch:
    """Blocks of scores that stay in the cache, and a compiled loop that keeps each user's best."""

    users_at_a_time = _USERS

    def __init__(self, release: Release, top: int, *, allowed: Mask | None = None) -> None:
        self._catalog = release.catalog
        self._top = top
        self._score = _scorer(release)
        self._offset = _offset(release, allowed)

    def __call__(self, users: slice) -> Lists:
        catalog, count = self._catalog, users.stop - users.start
        best = np.full((count, self._top), -np.inf, np.float32)
        codes = np.full((count, self._top), -1, np.int32)
        starts = np.asarray(catalog.seen_offsets[users.start : users.stop + 1])
        seen = np.asarray(catalog.seen_movies[starts[0] : starts[-1]])
        place, end = starts[:-1] - starts[0], starts[1:] - starts[0]
        score = self._score(users)
        for first in range(0, len(self._offset), _MOVIES):
            scores = score(slice(first, min(first + _MOVIES, len(self._offset))))
            keep_best(scores, self._offset, first, seen, place, end, best, codes)
        return best, codes


class TorchSearch:
    """The same lists of a dot model by torch: whole rows of scores, as many users as a GPU likes."""

    def __init__(
        self, release: Release, top: int, *, device: str, memory_mb: int, allowed: Mask | None = None
    ) -> None:
        import torch  # noqa: PLC0415 - only who has a GPU waits for it

        self._torch = torch
        self._catalog = release.catalog
        self._top = top
        self._vectors = _user_vectors(release)
        self._movies = torch.from_numpy(_movie_vectors(release)).to(device).T.contiguous()
        self._offset = torch.from_numpy(_offset(release, allowed)).to(device)
        self.users_at_a_time = max(1, (memory_mb << 20) // (_BYTES_A_SCORE * max(1, len(self._offset))))

    def __call__(self, users: slice) -> Lists:
        torch, catalog, device = self._torch, self._catalog, self._movies.device
        scores = torch.from_numpy(self._vectors(users)).to(device) @ self._movies + self._offset
        starts = np.asarray(catalog.seen_offsets[users.start : users.stop + 1])
        seen = np.asarray(catalog.seen_movies[starts[0] : starts[-1]]).astype(np.int64)
        places = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        scores[torch.from_numpy(places).to(device), torch.from_numpy(seen).to(device)] = -np.inf
        n = min(self._top, scores.shape[1])
        best, codes = scores.topk(n, dim=1)
        # topk says nothing of equal scores: where they are cut, sort the row; then the lower code first.
        cut = torch.nonzero((scores >= best[:, -1:]).sum(dim=1) > n).flatten()
        if len(cut):
            whole, order = scores[cut].sort(dim=1, descending=True, stable=True)
            best[cut], codes[cut] = whole[:, :n], order[:, :n]
        codes, by_code = codes.sort(dim=1)
        best, by_score = best.gather(1, by_code).sort(dim=1, descending=True, stable=True)
        codes = torch.where(best > -np.inf, codes.gather(1, by_score), -1)
        missing = ((0, 0), (0, self._top - n))
        return (
            np.pad(best.cpu().numpy(), missing, constant_values=-np.inf),
            np.pad(codes.cpu().numpy().astype(np.int32), missing, constant_values=-1),
        )


class FullRows:
    """All movies of a user in the order of a list, for the few lists that need more than the best of them."""

    def __init__(self, release: Release, *, allowed: Mask | None) -> None:
        self._catalog = release.catalog
        self._score = _scorer(release)
        self._offset = _offset(release, allowed)

    def __call__(self, user: int) -> Lists:
        """The list [1, movies] of one user, with code -1 behind its end."""
        scores = self._score(slice(user, user + 1))(slice(0, len(self._offset))) + self._offset
        scores[0, self._catalog.seen(user)] = -np.inf
        codes = np.argsort(-scores, axis=1, kind="stable").astype(np.int32)
        best = np.take_along_axis(scores, codes, axis=1)
        codes[best == -np.inf] = -1
        return best, codes


def has_vectors(release: Release) -> bool:
    """Whether scores are dot products: of the ranking model, or of a rating model with factors."""
    return release.ranking is not None or release.manifest.model == "dot"


def _offset(release: Release, allowed: Mask | None) -> Scores:
    """The value added to the score of each movie for every user; -inf for a movie that may not be listed."""
    if release.ranking is not None:
        offset = np.where(release.catalog.trained, np.float32(0), np.float32(-np.inf))
    else:
        offset = release.catalog.appeal
        # Without vectors, the scores hold the movie's own level, and popularity takes its place.
        if not has_vectors(release):
            offset = offset - scoring.movie_level(release.weights)
    return offset if allowed is None else np.where(allowed, offset, np.float32(-np.inf))


def _user_vectors(release: Release) -> Vectors:
    model, catalog = release.ranking, release.catalog
    if model is None:
        factors = release.weights["user_factors"]
        return lambda users: factors[users]

    def encode(users: slice) -> Scores:
        starts = np.asarray(catalog.seen_offsets[users.start : users.stop + 1])
        rows = slice(starts[0], starts[-1])
        assert catalog.seen_levels is not None  # nosec B101 # for mypy: a ranking model is loaded with it
        movies, levels = np.asarray(catalog.seen_movies[rows]), np.asarray(catalog.seen_levels[rows])
        vectors = user_vectors(model, starts - starts[0], movies, levels)
        # Multiplied by popularity, the last column of the movies.
        rated_none = (np.diff(starts) == 0).astype(np.float32)
        return np.column_stack([vectors, rated_none])

    return encode


def _movie_vectors(release: Release) -> Scores:
    if (model := release.ranking) is not None:
        return np.column_stack([model.decode, model.popularity])
    factors: Scores = release.weights["movie_factors"]
    return factors


def _scorer(release: Release) -> Callable[[slice], Callable[[slice], Scores]]:
    """For a range of users, the scores [users, movies] of a range of movies; of a rating model, the products alone."""
    weights, model = release.weights, release.manifest.model
    if has_vectors(release):
        vectors, right = _user_vectors(release), np.ascontiguousarray(_movie_vectors(release).T)

        def products(users: slice) -> Callable[[slice], Scores]:
            left = vectors(users)
            return lambda movies: left @ right[:, movies]

        return products

    def score(users: slice) -> Callable[[slice], Scores]:
        codes = np.arange(users.start, users.stop, dtype=np.int32)
        return lambda movies: scoring.grid(
            weights, codes, np.arange(movies.start, movies.stop, dtype=np.int32), model=model
        )

    return score
