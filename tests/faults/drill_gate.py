"""What the gate and the intervals promise, counted over sample data sets whose truth is known.

Ratings are those of `matinee.sample`, so the mean and the variance of each pair are known. A model is the true mean
plus planted noise that rows of one user, of one movie, and of like tastes share; its true RMSE is
sqrt(variance + noise^2). The decisions are those of `matinee.evaluate.gate`.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from matinee.evaluate.gate import Decision, PairedErrors, decide
from matinee.evaluate.metrics import rmse_influence
from matinee.sample.kernels import draw_block
from matinee.sample.planted import plant
from matinee.settings import GateSettings

NOISE = 0.35  # of a model around the true mean: takes the best RMSE of about .85 to .92
# How much of the variance of that noise two models of the same data share: other settings, or another seed alone,
# whose predictions are .1 apart.
OTHER_SETTINGS, OTHER_SEED = 0.7, 0.96
NIGHTS = 30

Field = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """Test rows of one sample: a tenth of its ratings, and how far each is from its true mean."""

    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    residual: Field  # rating - true mean
    variance: float  # of the ratings around their true means

    @classmethod
    def draw(cls, seed: int, *, ratings: int, users: int, movies: int) -> "Data":
        """A new sample: other users, other movies, other ratings."""
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
        """Errors of a model whose true RMSE is that much above that of a model with NOISE."""
        base = np.sqrt(self.variance + NOISE**2)
        return np.sqrt((base + worse_by) ** 2 - self.variance) * field - self.residual

    def paired(self, candidate: Field, champion: Field) -> PairedErrors:
        """The candidate's errors beside the champion's, on all rows."""
        return PairedErrors(self.users, self.movies, candidate, champion)


@dataclass(frozen=True)
class Size:
    """How large each data set is."""

    ratings: int
    users: int
    movies: int

    def draw(self, seed: int) -> Data:
        """The data set of that seed."""
        return Data.draw(seed, ratings=self.ratings, users=self.users, movies=self.movies)


NIGHTLY = Size(ratings=160_000, users=1_500, movies=600)


def another(field: Field, fresh: Field, *, shared: float) -> Field:
    """The noise of another model of the same data."""
    return np.asarray(np.sqrt(shared) * field + np.sqrt(1 - shared) * fresh)


def judge(data: Data, *, worse_by: float, seed: int, settings: GateSettings) -> Decision:
    """The gate's decision on a candidate whose true RMSE is that much above the champion's."""
    draw = np.random.default_rng([seed, 1])
    common = data.field(draw)
    champion, candidate = (another(common, data.field(draw), shared=OTHER_SETTINGS) for _ in range(2))
    errors = data.errors(candidate, worse_by=worse_by)
    paired = data.paired(errors, data.errors(champion, worse_by=0))
    return decide(errors, errors, champion=paired, anchor=paired, settings=settings)


def promoted_share(size: Size, *, worse_by: float, sets: range, settings: GateSettings) -> float:
    """Over independent data sets, how often such a candidate is promoted."""
    decisions = (judge(size.draw(seed), worse_by=worse_by, seed=seed, settings=settings) for seed in sets)
    return sum(decision.promoted for decision in decisions) / len(sets)


def detectable(size: Size, *, sets: range, settings: GateSettings) -> float:
    """The smallest difference that data of this size shows, as the gate says it; the mean over a few sets."""
    rules = (
        rule
        for seed in sets
        for rule in judge(size.draw(seed), worse_by=0, seed=seed, settings=settings).rules
        if rule.name == "champion"
    )
    return float(np.mean([rule.figures["detectable"] for rule in rules]))


def coverage(size: Size, *, sets: range) -> tuple[float, float]:
    """How often 95 % intervals of a difference in RMSE hold the true one: clustered, and with rows as independent."""
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
    """The true loss after thirty nights, each with a candidate that is half the tolerance worse than the champion."""
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


def at_most(rate: float, count: int) -> float:
    """The highest share of `count` that a true rate gives, but for one time in a hundred (normal, continuity)."""
    spread = np.sqrt(rate * (1 - rate) / count)
    return float(rate + NormalDist().inv_cdf(0.99) * spread + 0.5 / count)


@dataclass(frozen=True)
class Check:
    """One promise: what was counted, and whether that is within what chance allows."""

    name: str
    value: float
    kept: bool


def drill(size: Size, *, sets: int, sequences: int) -> list[Check]:
    """All promises, over `sets` data sets of one size and `sequences` of thirty nights."""
    settings, every = GateSettings(), range(sets)
    seen = detectable(size, sets=range(sets, sets + 20), settings=settings)
    clustered, row_wise = coverage(size, sets=every)
    worse, twice, better = (
        promoted_share(size, worse_by=worse_by, sets=every, settings=settings)
        for worse_by in (settings.tolerance * 1.001, 2 * seen, -2 * seen)
    )
    # Many nights are worth looking at where a loss of half the tolerance passes at all: three standard errors or so.
    wide = settings.model_copy(update={"tolerance": 0.006})
    losses, unguarded = (
        np.array([decayed(NIGHTLY.draw(seed), seed=seed, settings=each) for seed in range(count)])
        / wide.tolerance
        for each, count in (
            (wide, sequences),
            (wide.model_copy(update={"decay": False}), max(sequences // 10, 3)),
        )
    )
    limit, stated = settings.decay_tolerances, 1 - settings.confidence
    too_far = float(np.mean(losses > limit + 1e-9))
    return [
        Check(
            "95 % intervals that hold the truth: clustered", clustered, 1 - clustered <= at_most(0.05, sets)
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
    ]


def main() -> int:
    """Count, print a table and a line of JSON; 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=400)
    parser.add_argument("--sequences", type=int, default=200)
    call = parser.parse_args()
    checks = drill(Size(ratings=100_000, users=1_000, movies=300), sets=call.sets, sequences=call.sequences)
    for check in checks:
        print(f"{check.name:56} {check.value:8.4f}  {'kept' if check.kept else 'BROKEN'}")
    print(json.dumps({check.name.strip(): check.value for check in checks}))
    return 0 if all(check.kept for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
