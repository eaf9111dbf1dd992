"""Predictions of a trained model, computed from its weights with numpy.

A release is asked through this file, so that its users need no torch. The formulas are those of
`matinee.train.models`; the contract tests hold the two together.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Codes, Floats

Weights = Mapping[str, Floats]
Score = Callable[[Codes, Codes], Floats]

LEAK = 0.01  # slope of the leaky ReLU below zero: torch's default
_CHUNK = 1 << 11  # pairs at a time: their vectors stay in the cache
# Pairs that are put in the order of their users, so that the largest table is read from front to back.
_PIECE = 1 << 18


def predict(
    weights: Mapping[str, npt.NDArray[Any]], user_codes: Codes, movie_codes: Codes, *, model: str
) -> Floats:
    """Predict the rating of each pair.

    A user or movie that is unknown, or whose tables are zero for want of a training row, adds nothing: the mean and
    the known bias remain. Beyond the answer, memory does not grow with the number of pairs.

    Args:
        weights: The arrays of a `weights.safetensors`.
        user_codes: One code per pair, below the number of rows; -1 is a user that the model does not know.
        movie_codes: The same for movies.
        model: `model.name` of the release.

    Returns:
        One float32 per pair, not clipped to the scale.
    """
    score = _SCORES[model](weights)
    users, movies = np.asarray(user_codes), np.asarray(movie_codes)
    predicted = np.empty(len(users), np.float32)
    for first in range(0, len(users), _PIECE):
        order = first + np.argsort(users[first : first + _PIECE])
        for start in range(0, len(order), _CHUNK):
            part = order[start : start + _CHUNK]
            predicted[part] = score(users[part], movies[part])
    return predicted


def grid(
    weights: Mapping[str, npt.NDArray[Any]], user_codes: Codes, movie_codes: Codes, *, model: str
) -> Floats:
    """Predict every pair of some users and movies, many times as fast as `predict` does.

    The scores equal those of `predict` but for the last bits: the part of a layer for a user or a movie is computed
    once, not per pair.

    Args:
        weights: The arrays of a `weights.safetensors`.
        user_codes: Codes of the users.
        movie_codes: Codes of the movies.
        model: `model.name` of the release.

    Returns:
        The scores, [users, movies].
    """
    users, movies = np.asarray(user_codes), np.asarray(movie_codes)
    prefix = "" if model == "dot" else "baseline."
    user_bias = _known(weights[f"{prefix}user_bias"], users)
    movie_bias = _known(weights[f"{prefix}movie_bias"], movies)
    scores: Floats = (weights[f"{prefix}mean"] + user_bias[:, None] + movie_bias).astype(np.float32)
    if model == "dot":
        vectors = _known(weights["user_factors"], users), _known(weights["movie_factors"], movies)
        scores += vectors[0] @ vectors[1].T
        return scores
    trained = [
        np.flatnonzero(_known(weights[f"{axis}_rows"], codes) > 0)
        for axis, codes in (("user", users), ("movie", movies))
    ]
    scores[np.ix_(*trained)] = _GRIDS[model](weights, users[trained[0]], movies[trained[1]])
    return scores


def of_user(weights: Mapping[str, npt.NDArray[Any]], user_code: int, *, model: str) -> Floats:
    """What `predict` says of one user with every movie; code -1 is a user that the model does not know."""
    if model != "dot":
        movies = np.arange(len(movie_level(weights)), dtype=np.int32)
        scores: Floats = grid(weights, np.array([user_code], np.int32), movies, model=model)[0]
        return scores
    vectors = weights["user_factors"]
    if user_code < 0:
        return of_vector(weights, np.zeros(vectors.shape[1], np.float32), 0.0)
    return of_vector(weights, vectors[user_code], float(weights["user_bias"][user_code]))


def movie_vectors(weights: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """The vectors of all movies, side by side where a model has several for each."""
    tables = ("movie_factors", "movie_embedding", "movie_dot", "movie_mlp")
    found = [weights[name] for name in tables if name in weights]
    return np.concatenate(found, axis=1).astype(np.float32)


def of_vector(weights: Mapping[str, npt.NDArray[Any]], vector: npt.NDArray[Any], bias: float) -> Floats:
    """What a dot model expects of a user with this vector and bias, by movie."""
    scores: Floats = weights["movie_factors"] @ vector + weights["movie_bias"]
    return (scores + np.float32(float(weights["mean"].sum()) + bias)).astype(np.float32)


def movie_level(weights: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """By movie: the part of a rating that does not depend on the user."""
    bias = weights["movie_bias" if "movie_bias" in weights else "baseline.movie_bias"]
    return bias.astype(np.float32)


def _dot(weights: Weights) -> Score:
    # One place for the vectors of all chunks: getting fresh memory for each takes several times as long as the sums.
    tables = weights["user_factors"], weights["movie_factors"]
    left, right = (np.empty_like(table, shape=(_CHUNK, table.shape[1])) for table in tables)

    def score(users: Codes, movies: Codes) -> Floats:
        bias = _known(weights["user_bias"], users) + _known(weights["movie_bias"], movies)
        vectors = (
            _known(tables[0], users, out=left[: len(users)]),
            _known(tables[1], movies, out=right[: len(movies)]),
        )
        rating: Floats = weights["mean"] + bias + np.einsum("nk,nk->n", *vectors)
        return rating

    return score


def _linear(weights: Weights, users: Codes, movies: Codes) -> Floats:
    return _output(weights, _pair(weights, "embedding", users, movies))


def _mlp(weights: Weights, users: Codes, movies: Codes) -> Floats:
    return _output(weights, _hidden(weights, _pair(weights, "embedding", users, movies)))


def _neumf(weights: Weights, users: Codes, movies: Codes) -> Floats:
    product = weights["user_dot"][users] * weights["movie_dot"][movies]
    hidden = _hidden(weights, _pair(weights, "mlp", users, movies))
    return _output(weights, np.concatenate([product, hidden], axis=1))


def _or_baseline(
    score: Callable[[Weights, Codes, Codes], Floats],
) -> Callable[[Weights], Score]:
    """Score the pairs of a trained user and a trained movie; the others get the mean and the biases that are known."""

    def bind(weights: Weights) -> Score:
        def scored(users: Codes, movies: Codes) -> Floats:
            bias = _known(weights["baseline.user_bias"], users) + _known(
                weights["baseline.movie_bias"], movies
            )
            answer = weights["baseline.mean"] + bias
            trained = (_known(weights["user_rows"], users) > 0) & (_known(weights["movie_rows"], movies) > 0)
            answer[trained] = score(weights, users[trained], movies[trained])
            return answer

        return scored

    return bind


def _known(table: Floats, codes: Codes, *, out: Floats | None = None) -> Floats:
    """Rows of a table by code; zeros for code -1."""
    if not len(table):
        return np.zeros((len(codes), *table.shape[1:]), table.dtype)
    rows: Floats = np.take(table, codes, axis=0, out=out, mode="clip")
    rows[codes < 0] = 0
    return rows


def _pair(weights: Weights, table: str, users: Codes, movies: Codes) -> Floats:
    return np.concatenate([weights[f"user_{table}"][users], weights[f"movie_{table}"][movies]], axis=1)


def _hidden(weights: Weights, inputs: Floats) -> Floats:
    value: Floats = inputs @ weights["hidden.weight"].T + weights["hidden.bias"]
    return np.where(value > 0, value, value * np.float32(LEAK))


def _output(weights: Weights, inputs: Floats) -> Floats:
    rating: Floats = inputs @ weights["output.weight"][0] + weights["output.bias"][0]
    return rating


def _linear_grid(weights: Weights, users: Codes, movies: Codes) -> Floats:
    left, right = weights["user_embedding"][users], weights["movie_embedding"][movies]
    output, size = weights["output.weight"][0], left.shape[1]
    scores: Floats = (left @ output[:size])[:, None] + right @ output[size:] + weights["output.bias"][0]
    return scores


def _mlp_grid(weights: Weights, users: Codes, movies: Codes) -> Floats:
    scores = _hidden_grid(weights, "embedding", users, movies, output=weights["output.weight"][0])
    scores += weights["output.bias"][0]
    return scores


def _neumf_grid(weights: Weights, users: Codes, movies: Codes) -> Floats:
    left, right = weights["user_dot"][users], weights["movie_dot"][movies]
    output, size = weights["output.weight"][0], left.shape[1]
    products: Floats = (left * output[:size]) @ right.T + weights["output.bias"][0]
    return products + _hidden_grid(weights, "mlp", users, movies, output=output[size:])


def _hidden_grid(weights: Weights, table: str, users: Codes, movies: Codes, *, output: Floats) -> Floats:
    """The hidden layer of every pair, through the last one: user by user, so that it stays in the cache."""
    left, right = weights[f"user_{table}"][users], weights[f"movie_{table}"][movies]
    layer, size = weights["hidden.weight"], left.shape[1]
    of_users = left @ layer[:, :size].T + weights["hidden.bias"]
    of_movies = right @ layer[:, size:].T
    scores = np.empty((len(users), len(movies)), np.float32)
    value = np.empty_like(of_movies)
    for row, of_user in zip(scores, of_users, strict=True):
        np.add(of_movies, of_user, out=value)
        np.maximum(value, value * np.float32(LEAK), out=value)
        np.matmul(value, output, out=row)
    return scores


_GRIDS: dict[str, Callable[[Weights, Codes, Codes], Floats]] = {
    "linear": _linear_grid,
    "mlp": _mlp_grid,
    "neumf": _neumf_grid,
}
_SCORES: dict[str, Callable[[Weights], Score]] = {
    "dot": _dot,
    "linear": _or_baseline(_linear),
    "mlp": _or_baseline(_mlp),
    "neumf": _or_baseline(_neumf),
}
