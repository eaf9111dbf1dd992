"""The ranking section of a report: the model's order of the catalog, with and without its popularity weight.

Ordering by expected rating loses to plain popularity, because what people watch decides what they rate. So
`recommend` takes the movie's bias out of the expected rating and puts a weight on popularity in its place: a bias per
movie for ranking, chosen on valid rows by weights that have not seen them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.metrics import DatedRatings, Floats, count_clusters
from matinee.evaluate.order import share_in_order
from matinee.evaluate.ranking import TOP, Scorer, Scores, make_task, mean_and_error, rank
from matinee.release import scoring as forward
from matinee.release.liking import liked_from, popularity

# Rating points per unit of `popularity` on a scale of 1 to 5; the last is nearly the order of popularity itself.
_GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0)
_USUAL = 1.0  # the best one lay between .8 and 1.4 on each data set that was tried (docs/notes.md)
_USERS_TO_CHOOSE = 5_000  # nDCG is then known to about .003, and the grid's steps differ by more
_PAIRS = 200_000_000  # that a model without factors may score: about half a minute on two cores

SAYS = (
    "Test rows are movies that people chose to watch and rate; an unrated movie may be just as good. Ranking metrics "
    "therefore show how well liked movies are found among all others, which popularity does well too. They cannot show "
    "how much people would like movies that they would not have found themselves. Compare them with popularity, not "
    "with other data sets, splits or sampled rankings."
)


@dataclass(frozen=True)
class Catalogue:
    """The movies that a model ranks; `train_rows` and `liked_rows` are by movie code."""

    weights: Mapping[str, NDArray[Any]]
    model: str
    train_rows: NDArray[np.int64]
    liked_rows: NDArray[np.int64]
    users: int
    scale: tuple[float, float]

    @property
    def relevant_from(self) -> float:
        """The lowest rating that counts as liked."""
        return liked_from(self.scale)

    @property
    def popularity(self) -> Scores:
        """The popularity of each movie, which `recommend` weights."""
        return popularity(self.train_rows, self.liked_rows)

    def most_users(self, wanted: int) -> int:
        """The number of users to rank for: `wanted`, or fewer if the model is slow."""
        if _has_factors(self.weights):
            return wanted
        return min(wanted, max(_PAIRS // max(len(self.train_rows), 1), 1))


def choose_weight(catalogue: Catalogue, train: DatedRatings, valid: DatedRatings) -> float:
    """The weight on popularity nearest to the usual one whose nDCG@10 on the valid rows is as good as the best.

    That is within a standard error of the paired difference, as Breiman et al. (1984) choose: from half to twice the
    best weight the figures hardly differ, and the few hundred users of a small file pick one at random. The
    catalogue's weights must not have been fitted on the valid rows: those that have want less popularity than is good
    (on ML-100K .4 in place of 1.1). The usual weight when no valid row is liked.
    """
    low, high = catalogue.scale
    grid = [weight * (high - low) / 4 for weight in _GRID]
    task = make_task(
        train,
        valid,
        relevant_from=catalogue.relevant_from,
        users=catalogue.users,
        movies=len(catalogue.train_rows),
        most=catalogue.most_users(_USERS_TO_CHOOSE),
    )
    offsets = [np.float32(weight) * catalogue.popularity for weight in grid]
    found = rank(_scorer(catalogue), task, offsets, mrr=False)
    best = max(found, key=lambda ranking: ranking.ndcg)
    behind = [mean_and_error(best.ndcgs - ranking.ndcgs) for ranking in found]
    good = [weight for weight, (loss, error) in zip(_GRID, behind, strict=True) if loss <= error]
    return min(good, key=lambda weight: abs(weight - _USUAL)) * (high - low) / 4


def measure_ranking(
    catalogue: Catalogue, seen: DatedRatings, test: DatedRatings, *, weight: float, users: int
) -> dict[str, Any]:
    """Figures of the model's two orders and of popularity over the catalogue without what `seen` holds.

    For `users` of those who liked a test row, at most, and fewer where the model takes long.
    """
    task = make_task(
        seen,
        test,
        relevant_from=catalogue.relevant_from,
        users=catalogue.users,
        movies=len(catalogue.train_rows),
        most=catalogue.most_users(users),
    )
    level, added = forward.movie_level(catalogue.weights), np.float32(weight) * catalogue.popularity
    by_rating, recommended = rank(_scorer(catalogue), task, [level, added])
    most_rated = catalogue.train_rows.astype(np.float32)
    nothing = np.zeros((1, task.movies), np.float32)
    (by_popularity,) = rank(lambda users: np.repeat(nothing, len(users), axis=0), task, [most_rated])
    liked = test.ratings >= catalogue.relevant_from
    return {
        "says": SAYS,
        "relevant_from": catalogue.relevant_from,
        "top": TOP,
        "catalogue": len(catalogue.train_rows),
        "users": len(task.users),
        "users_with_relevant_rows": count_clusters(test.users[liked]),
        "popularity_weight": weight,
        "recommend": recommended.to_json(),
        "expected_rating": by_rating.to_json(),
        "popularity": by_popularity.to_json(),
    }


def measure_order(
    catalogue: Catalogue, test: DatedRatings, candidate: Floats, bias_only: Floats
) -> dict[str, Any]:
    """The share of a user's test pairs in the right order, for the model, bias-only and popularity."""
    scores: dict[str, NDArray[np.floating[Any]]] = {
        "candidate": test.ratings + candidate,
        "bias_only": test.ratings + bias_only,
        "popularity": catalogue.train_rows[test.movies].astype(np.float64),
    }
    found = share_in_order(test.users, test.ratings, list(scores.values()))
    return {name: asdict(order) for name, order in zip(scores, found, strict=True)}


def _has_factors(weights: Mapping[str, NDArray[Any]]) -> bool:
    return "user_factors" in weights


def _scorer(catalogue: Catalogue) -> Scorer:
    """Expected ratings without the movies' level; a user's mean and bias move all movies alike and are left out."""
    weights = catalogue.weights
    if _has_factors(weights):
        factors = weights["movie_factors"].T.astype(np.float32)
        return lambda users: weights["user_factors"][users].astype(np.float32) @ factors
    level = forward.movie_level(weights)
    movies = np.arange(len(catalogue.train_rows), dtype=np.int32)
    return lambda users: forward.grid(weights, users, movies, model=catalogue.model) - level
