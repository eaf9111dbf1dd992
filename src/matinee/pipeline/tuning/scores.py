"""One fit of a search, and its score on valid rows: the RMSE of ratings or the nDCG@10 of lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from matinee.errors import DataError
from matinee.evaluate.inputs import read_fitted
from matinee.evaluate.metrics import DatedRatings, clustered_error, rmse, rmse_influence
from matinee.evaluate.ranking import make_task, measure_orders
from matinee.evaluate.user_scores import score_after
from matinee.formats.history import History
from matinee.formats.manifests import CandidateManifest, RankingManifest
from matinee.formats.tuning import Goal, ScoreDifference
from matinee.pipeline.tuning.divisions import plan_division
from matinee.release import scoring as forward
from matinee.release.arrays import Codes, Doubles
from matinee.release.liking import liked_from
from matinee.release.ranking_model import RANKING, load_model
from matinee.settings import Settings
from matinee.settings.space import SearchedValue, rating_space, value_of, with_values
from matinee.store import Plan, Reference, Store
from matinee.store.documents import read_as
from matinee.store.progress import Listener, silent
from matinee.store.ratings import count_codes, count_rows
from matinee.store.system import available_cores
from matinee.train import plan as plan_training
from matinee.train.ranking import plan as plan_ranking

METRICS: Final[Mapping[Goal, Literal["rmse", "ndcg_at_10"]]] = {"ratings": "rmse", "lists": "ndcg_at_10"}


class FitScore(NamedTuple):
    """The score of one fit, the searched settings that it had, and its valid RMSE by epoch (none for lists)."""

    value: float
    settings: dict[str, SearchedValue]
    curve: dict[int, float]


@dataclass(frozen=True)
class TrialFit:
    """One fit of a goal on a division of the rows.

    Attributes:
        store: The store.
        split: The split that the rows are from.
        goal: What is fitted: the rating model, or the ranking model of lists.
        base: The settings that the search starts from.
        values: The searched settings; empty for the base settings.
        repeat: Number of the division and of the seed; 0 in the search.
        workers: Number of fits at the same time, which share the cores.
    """

    store: Store
    split: Reference
    goal: Goal
    base: Settings
    values: Mapping[str, SearchedValue]
    repeat: int = 0
    workers: int = 1

    @property
    def settings(self) -> Settings:
        """All settings of the fit; nothing is fitted on valid rows."""
        train = self.base.train
        threads = max((train.threads or available_cores()) // self.workers, 1)
        fixed: dict[str, SearchedValue | str] = {
            "train.refit": "none",
            "train.threads": threads,
            "train.ranks": 1,
            "train.time": "off",
            "train.titles": "off",
        }
        if self.goal == "ratings":  # the ranking model has no seed
            fixed["train.seed"] = (train.seed + self.repeat) % 2**32
        return with_values(self.base, {**self.values, **fixed})

    def plan(self, listener: Listener = silent) -> Plan:
        """The folder of the fitted model."""
        division = self._division()
        plan = plan_training if self.goal == "ratings" else plan_ranking
        return plan(self.store, division, settings=self.settings, listener=listener)

    def score(self, listener: Listener = silent) -> FitScore:
        """Fit, unless the store has the model, and score it.

        Raises what the listener raises, and DivergenceError.
        """
        model = self.store.ensure(self.plan(listener))
        if self.goal == "ratings":
            found = self.store.read(CandidateManifest, model.digest)
            assert found.valid_rmse is not None  # nosec B101 # for mypy: only a refit has none
            history = read_as(self.store.path(model) / History.NAME, History)
            curve = {
                point.epoch: point.valid_rmse for point in history.points if point.valid_rmse is not None
            }
            return FitScore(
                found.valid_rmse,
                {name: value_of(self.settings, name) for name in rating_space(self.base)},
                curve,
            )
        chosen = self.store.read(RankingManifest, model.digest).settings
        used = {f"rank.{name}": value for name, value in chosen.items() if isinstance(value, int | float)}
        return FitScore(float(self._ndcgs(model).ndcgs.mean()), used, {})

    def errors(self) -> "RowErrors":
        """The errors of a fitted rating model on the valid rows."""
        _, valid, _ = read_fitted(self.store.path(self._division()), refit=False)
        return row_errors(self.store, self.store.ensure(self.plan()), valid)

    def lists(self) -> "UserLists":
        """The nDCG@10 of a fitted ranking model by user, for users who liked a valid row."""
        return self._ndcgs(self.store.ensure(self.plan()))

    def _division(self) -> Reference:
        return self.store.ensure(plan_division(self.store, self.split, self.repeat))

    def _ndcgs(self, ranking: Reference) -> "UserLists":
        folder = self.store.path(self._division())
        train, valid, _ = read_fitted(folder, refit=False)
        most = self.base.evaluate.ranking_users
        found = user_lists(self.store, ranking, folder, fitted=train, judged=valid, most=most)
        if not len(found.users):
            low, high = self.store.read(RankingManifest, ranking.digest).scale
            raise DataError(
                f"None of the {len(valid):,} valid rows has a rating of {liked_from((low, high)):g} or more, so lists "
                "cannot be scored. Tune with --goal ratings, or set a larger split.valid_fraction."
            )
        return found


class RowErrors(NamedTuple):
    """Valid rows, and a model's errors on them."""

    rows: DatedRatings
    errors: Doubles


class UserLists(NamedTuple):
    """Users, and the nDCG@10 of each."""

    users: Codes
    ndcgs: NDArray[np.float64]


def row_errors(store: Store, model: Reference, rows: DatedRatings) -> RowErrors:
    """The errors of a fitted rating model on rows."""
    manifest = store.read(CandidateManifest, model.digest)
    weights = load_file(store.path(model) / "weights.safetensors")
    predicted = forward.predict(weights, rows.users, rows.movies, model=manifest.model)
    low, high = manifest.scale
    return RowErrors(rows, np.clip(predicted.astype(np.float64), low, high) - rows.ratings)


def user_lists(
    store: Store, ranking: Reference, split: Path, *, fitted: DatedRatings, judged: DatedRatings, most: int
) -> UserLists:
    """The nDCG@10 of a fitted ranking model by user, for users who liked a judged row.

    Args:
        store: The store.
        ranking: The ranking model.
        split: The folder of its split.
        fitted: The rows that it was fitted on.
        judged: Rows that it was not fitted on.
        most: Users to judge at most.
    """
    users, movies = (count_rows(split / f"{name}.parquet") for name in ("users", "movies"))
    low, high = store.read(RankingManifest, ranking.digest).scale
    liked = liked_from((low, high))
    task = make_task(fitted, judged, relevant_from=liked, users=users, movies=movies, most=most)
    if not len(task.users):
        return UserLists(task.users, np.zeros(0))
    model = load_model(store.path(ranking) / RANKING)
    scores = score_after(fitted, task, model, users=users, scale=(low, high))
    known = np.where(count_codes(fitted.movies, movies) > 0, np.float32(0), np.float32(-np.inf))
    return UserLists(task.users, measure_orders(scores, task, [known], mrr=False)[0].ndcgs)


def compare_errors(ours: list[RowErrors], theirs: list[RowErrors]) -> ScoreDifference:
    """The mean difference in RMSE over repeats, paired by row. Standard errors are clustered by user and by movie."""
    differences = [rmse(our.errors) - rmse(their.errors) for our, their in zip(ours, theirs, strict=True)]
    influences = [
        rmse_influence(our.errors) - rmse_influence(their.errors)
        for our, their in zip(ours, theirs, strict=True)
    ]
    users, movies = (
        np.concatenate([getattr(each.rows, side) for each in ours]) for side in ("users", "movies")
    )
    return _difference(differences, clustered_error(np.concatenate(influences), users, movies))


def compare_ndcgs(ours: list[UserLists], theirs: list[UserLists]) -> ScoreDifference:
    """The mean difference in nDCG@10 over repeats, paired by user. Standard errors are clustered by user."""
    found = [our.ndcgs - their.ndcgs for our, their in zip(ours, theirs, strict=True)]
    users = np.concatenate([each.users for each in ours])
    error = clustered_error(np.concatenate(found), users, np.arange(len(users), dtype=np.int32))
    return _difference([float(each.mean()) for each in found], error)


def _difference(by_repeat: list[float], clustered: float) -> ScoreDifference:
    """The mean over repeats. The spread between repeats also has the effect of seeds, which clusters of rows lack."""
    repeats = len(by_repeat)
    spread = float(np.std(by_repeat, ddof=1)) / repeats**0.5 if repeats > 1 else 0.0
    return ScoreDifference(value=float(np.mean(by_repeat)), standard_error=max(clustered, spread))
