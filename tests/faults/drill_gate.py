"""Counts how often the gate and the intervals keep their promises, over sample data sets with a known truth.

`matinee.sample` generates the ratings, so the mean and the variance of each pair are known. A model is the true mean
plus planted noise, which rows of one user, of one movie and of similar tastes share. Its true RMSE is
sqrt(variance + noise^2). `matinee.evaluate.gate` makes the decisions. For lists, a model scores each pair by the true
chance that the user rates the movie, plus noise: two models with as much noise have equally good lists.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from matinee.evaluate.gate import Decision, PairedErrors, decide
from matinee.evaluate.lists_rule import judge_lists
from matinee.evaluate.metrics import DatedRatings, rmse_influence
from matinee.evaluate.paired_lists import PairedLists
from matinee.evaluate.ranking import make_task, measure_orders
from matinee.sample.kernels import draw_block
from matinee.sample.planted import plant
from matinee.settings import GateSettings

NOISE = 0.35  # of a model around the true mean: takes the best RMSE of about .85 to .92
# The share of the noise variance that two models of the same data have in common. With other settings or another seed,
# their predictions differ by .1.
OTHER_SETTINGS, OTHER_SEED = 0.7, 0.96
NIGHTS = 30
LIST_NOISE = 0.5  # of scores; the planted tastes alone have a spread of about .6

Field = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """Test rows of one sample: a tenth of its ratings, with the distance of each from its true mean."""

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    residual: Field  # rating - true mean
    variance: float  # of the ratings around their true means

    @classmethod
    def draw(cls, seed: int, *, ratings: int, users: int, movies: int) -> "Data":
        """A new sample with other users, movies and ratings."""
        planted = plant(ratings=ratings, users=users, movies=movies, seed=seed)
        drawn = draw_block(np.uint64(seed), planted.users, planted.movies, planted.law)
        test = np.random.default_rng(seed).random(ratings) < 0.1
        user, movie, rating = drawn.user[test], drawn.movie[test], drawn.rating[test].astype(np.float64)
        taste = np.einsum("nk,nk->n", planted.users.taste[user], planted.movies.taste[movie])
        score = planted.users.score[user] + planted.movies.bias[movie] + taste
        above = [ndtr((score - k - 0.5) / planted.law.noise) for k in range(1, 5)]  # P(rating > k)
        mean = 1 + np.sum(above, axis=0)
        square = 1 + np.sum([(2 * k + 1) * share for k, share in enumerate(above, 1)], axis=0)
        return cls(user, movie, rating - mean, float(np.mean(square - mean**2)))

    def field(self, draw: np.random.Generator) -> Field:
        """Noise of variance 1 in four equal parts: of the user, of the movie, of like tastes, of the pair."""
        users, movies = (int(codes.max()) + 1 for codes in (self.users, self.movies))
        parts = (
            draw.normal(size=users)[self.users],
            draw.normal(size=movies)[self.movies],
            draw.normal(size=users)[self.users] * draw.normal(size=movies)[self.movies],
            draw.normal(size=len(self.users)),
        )
        return np.asarray(sum(parts) / 2)

    def errors(self, field: Field, *, worse_by: float) -> Field:
        """Errors of a model whose true RMSE is above that of a model with NOISE by a given amount."""
        base = np.sqrt(self.variance + NOISE**2)
        return np.sqrt((base + worse_by) ** 2 - self.variance) * field - self.residual

    def paired(self, candidate: Field, champion: Field) -> PairedErrors:
        """The errors of candidate and champion on all rows."""
        return PairedErrors(self.users, self.movies, candidate, champion)


@dataclass(frozen=True)
class Size:
    """The size of each data set."""

    ratings: int
    users: int
    movies: int

    @lru_cache(maxsize=500)  # noqa: B019 - four promises are counted on the same data sets
    def draw(self, seed: int) -> Data:
        """The data set of a seed."""
        return Data.draw(seed, ratings=self.ratings, users=self.users, movies=self.movies)


NIGHTLY = Size(ratings=160_000, users=1_500, movies=600)


def another(field: Field, fresh: Field, *, shared: float) -> Field:
    """The noise of another model of the same data."""
    return np.asarray(np.sqrt(shared) * field + np.sqrt(1 - shared) * fresh)


def judge(data: Data, *, worse_by: float, seed: int, settings: GateSettings) -> Decision:
    """The gate's decision on a candidate whose true RMSE is above the champion's by a given amount."""
    draw = np.random.default_rng([seed, 1])
    common = data.field(draw)
    champion, candidate = (another(common, data.field(draw), shared=OTHER_SETTINGS) for _ in range(2))
    errors = data.errors(candidate, worse_by=worse_by)
    paired = data.paired(errors, data.errors(champion, worse_by=0))
    return decide(errors, errors, champion=paired, anchor=paired, settings=settings)


def promoted_share(size: Size, *, worse_by: float, sets: range, settings: GateSettings) -> float:
    """How often such a candidate is promoted, over independent data sets."""
    decisions = (judge(size.draw(seed), worse_by=worse_by, seed=seed, settings=settings) for seed in sets)
    return sum(decision.promoted for decision in decisions) / len(sets)


def detectable(size: Size, *, sets: range, settings: GateSettings) -> float:
    """The smallest difference that the gate can detect with this size of data; the mean over a few data sets."""
    rules = (
        rule
        for seed in sets
        for rule in judge(size.draw(seed), worse_by=0, seed=seed, settings=settings).rules
        if rule.name == "champion"
    )
    return float(np.mean([rule.figures["detectable"] for rule in rules]))


def coverage(size: Size, *, sets: range) -> tuple[float, float]:
    """How often 95% intervals contain the true difference in RMSE: clustered, and with independent rows."""
    worse_by, z, held = 0.02, NormalDist().inv_cdf(0.975), np.zeros(2)
    for seed in sets:
        data, draw = size.draw(seed), np.random.default_rng([seed, 2])
        ours, theirs = (
            data.errors(data.field(draw), worse_by=worse_by),
            data.errors(data.field(draw), worse_by=0),
        )
        estimate = data.paired(ours, theirs).difference()
        row_wise = np.std(rmse_influence(ours) - rmse_influence(theirs)) / np.sqrt(len(ours))
        off = abs(estimate.value - worse_by)
        held += [estimate.low <= worse_by <= estimate.high, off <= z * row_wise]
    return held[0] / len(sets), held[1] / len(sets)


def decayed(data: Data, *, seed: int, settings: GateSettings) -> float:
    """The true loss after thirty nights whose candidates are worse than the champion by half the tolerance."""
    draw = np.random.default_rng([seed, 3])
    common, loss = data.field(draw), 0.0

    def train(worse_by: float) -> Field:
        return data.errors(another(common, data.field(draw), shared=OTHER_SEED), worse_by=worse_by)

    champion = anchor = train(0)
    for _ in range(NIGHTS):
        worse = loss + settings.tolerance / 2
        errors = train(worse)
        pairs = (data.paired(errors, other) for other in (champion, anchor))
        decision = decide(errors, errors, champion=next(pairs), anchor=next(pairs), settings=settings)
        if decision.promoted:
            loss, champion = worse, errors
            anchor = errors if decision.becomes_anchor else anchor
    return loss


def paired_lists(size: Size, *, seed: int, noise: float) -> PairedLists:
    """nDCG@10 per user of a candidate with the given noise and of a champion with LIST_NOISE, on one data set."""
    planted = plant(ratings=size.ratings, users=size.users, movies=size.movies, seed=seed)
    drawn = draw_block(np.uint64(seed), planted.users, planted.movies, planted.law)
    draw = np.random.default_rng([seed, 4])
    test = draw.random(size.ratings) < 0.1
    seen, judged = (
        DatedRatings(
            drawn.user[rows], drawn.movie[rows], drawn.rating[rows].astype(np.float32), np.zeros(0, "M8[D]")
        )
        for rows in (~test, test)
    )
    task = make_task(
        seen, judged, relevant_from=4, users=size.users, movies=size.movies, most=size.users, seed=seed
    )
    fit = planted.law.pull * planted.users.taste @ planted.movies.taste.T
    chance = np.log(planted.movies.weight) - np.log1p(np.exp(-fit))

    def ndcgs(spread: float) -> Field:
        scores = (chance + spread * draw.normal(size=chance.shape)).astype(np.float32)
        nothing = np.zeros(size.movies, np.float32)
        return measure_orders(lambda users: scores[users], task, [nothing], mrr=False)[0].ndcgs

    return PairedLists(ndcgs(noise), ndcgs(LIST_NOISE))


def judge_noise(
    size: Size, *, sets: range, noise: float, settings: GateSettings
) -> tuple[float, float, float]:
    """Share of candidates held for their lists, mean difference in nDCG@10, and coverage of its 95% interval."""
    verdicts = [
        judge_lists(paired_lists(size, seed=seed, noise=noise), settings, fewest_users=size.users // 4)
        for seed in sets
    ]
    mean = float(np.mean([verdict.difference for verdict in verdicts]))
    held = float(np.mean([not verdict.passed for verdict in verdicts]))
    covered = float(np.mean([verdict.low <= mean <= verdict.high for verdict in verdicts]))
    return held, mean, covered


def at_most(rate: float, count: int) -> float:
    """The highest share of `count` for a true rate, with a chance of 1% that it is exceeded (normal, continuity)."""
    spread = np.sqrt(rate * (1 - rate) / count)
    return float(rate + NormalDist().inv_cdf(0.99) * spread + 0.5 / count)


@dataclass(frozen=True)
class Check:
    """One promise: the counted figure, and whether chance explains its distance from the promise."""

    name: str
    value: float
    kept: bool


def drill(size: Size, *, sets: int, sequences: int, worse_list_noise: float) -> list[Check]:
    """All promises, over `sets` data sets of one size and `sequences` of thirty nights."""
    settings, every = GateSettings(), range(sets)
    seen = detectable(size, sets=range(sets, sets + 20), settings=settings)
    clustered, row_wise = coverage(size, sets=every)
    worse, twice, better = (
        promoted_share(size, worse_by=worse_by, sets=every, settings=settings)
        for worse_by in (settings.tolerance * 1.001, 2 * seen, -2 * seen)
    )
    # Sequences of nights show something only if a loss of half the tolerance can pass: about three standard errors.
    wide = settings.model_copy(update={"tolerance": 0.006})
    losses, unguarded = (
        np.array([decayed(NIGHTLY.draw(seed), seed=seed, settings=each) for seed in range(count)])
        / wide.tolerance
        for each, count in (
            (wide, sequences),
            (wide.model_copy(update={"decay": False}), max(sequences // 10, 3)),
        )
    )
    some = range(sets // 2)
    same_held, _, same_covered = judge_noise(size, sets=some, noise=LIST_NOISE, settings=settings)
    worse_held, fall, _ = judge_noise(size, sets=some, noise=worse_list_noise, settings=settings)
    limit, stated = settings.decay_tolerances, 1 - settings.confidence
    too_far = float(np.mean(losses > limit + 1e-9))
    return [
        Check(
            "95% intervals that hold the truth: clustered", clustered, 1 - clustered <= at_most(0.05, sets)
        ),
        Check("  rows as independent", row_wise, 1 - row_wise > at_most(0.05, sets)),
        Check("worse than the tolerance by a hair: promoted", worse, worse <= at_most(stated, sets)),
        Check(f"worse by {2 * seen:.4f}, twice what can be seen: held", 1 - twice, twice <= 0.2),
        Check("better by as much: promoted", better, better >= 0.8),
        Check(
            f"{NIGHTS} nights, each worse by half the tolerance: lost too much",
            too_far,
            too_far <= at_most(stated, sequences),
        ),
        Check(
            "  true loss at the end, in tolerances, mean", float(losses.mean()), bool(losses.mean() <= limit)
        ),
        Check("  worst", float(losses.max()), True),
        Check("  mean without the rule", float(unguarded.mean()), bool(unguarded.mean() > 2 * limit)),
        Check(
            "lists: 95% intervals that hold the truth",
            same_covered,
            1 - same_covered <= at_most(0.05, len(some)),
        ),
        Check("lists equally good: held", same_held, same_held <= at_most(0.025, len(some))),
        Check(f"lists worse by {-fall:.3f} nDCG@10: held", worse_held, worse_held >= 0.8),
    ]


def main() -> int:
    """Count, print a table and a line of JSON; returns 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=400)
    parser.add_argument("--sequences", type=int, default=200)
    call = parser.parse_args()
    size = Size(ratings=100_000, users=1_000, movies=300)
    checks = drill(size, sets=call.sets, sequences=call.sequences, worse_list_noise=0.7)
    for check in checks:
        print(f"{check.name:56} {check.value:8.4f}  {'kept' if check.kept else 'BROKEN'}")
    print(json.dumps({check.name.strip(): check.value for check in checks}))
    return 0 if all(check.kept for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
