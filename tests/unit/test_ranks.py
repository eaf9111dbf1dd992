"""A fit on several processes: the bits of one process, whatever happens to a rank."""

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import BrokenBarrierError

import numpy as np
import pytest
from fits import assert_same, take
from rank_processes import family_of, ranks_of
from rank_threads import RankThread, SharedByThreads

from matinee import train
from matinee.errors import ConfigError
from matinee.formats.manifests import CandidateManifest
from matinee.settings.parse import read_settings
from matinee.store import Reference, Store
from matinee.store.files import write_json
from matinee.store.progress import Listener, Progress, silent
from matinee.store.ratings import EncodedRatings
from matinee.train import loop
from matinee.train.blocks import Cut
from matinee.train.candidate import CandidateFit, make_engine
from matinee.train.problem import Problem, Totals
from matinee.train.ranks.group import ALONE, Ranks
from matinee.train.ranks.ring import Ring

Split = tuple[Store, Reference]
SETTINGS = ["train.epochs=4", "train.patience=0", "model.embedding_size=5", "train.device=cpu"]


class KilledError(Exception):
    """Simulates the end of the processes."""


def _fit_on_threads(
    split: Split, folder: Path, size: int, *, kill_in: int = 0, listener: Listener = silent
) -> Path:
    """Fit on ranks that are threads, each a copy of what the plan would fit; all may be killed in an epoch."""
    plan = train.plan(*split, settings=read_settings(assignments=SETTINGS))
    training: CandidateFit = plan.make.__self__  # type: ignore[attr-defined]
    shared = SharedByThreads(size)
    folder.mkdir()

    def listen(point: Progress) -> None:
        listener(point)
        if point.epoch == kill_in:
            shared.barrier.abort()
            raise KilledError

    def fit(rank: int) -> CandidateManifest:
        return replace(training, threads=1, listener=listen, ranks=RankThread(rank, shared)).fit(folder)

    with ThreadPoolExecutor(size) as pool:
        made = list(pool.map(fit, range(size)))
    write_json(folder / "manifest.json", made[0])
    return folder


def _fit(split: Split, ranks: int, listener: Listener = silent, *, more: Sequence[str] = ()) -> Path:
    store, reference = split
    settings = read_settings(assignments=[*SETTINGS, *more, f"train.ranks={ranks}"])
    return store.path(store.ensure(train.plan(store, reference, settings=settings, listener=listener)))


def test_two_ranks_fit_the_same_weights_although_each_is_killed(planted_split: Callable[..., Split]) -> None:
    split = planted_split()
    long = "train.epochs=60"  # so that ranks are alive when this process reads what they print
    alone = take(_fit(split, 1, more=[long]))
    seen: list[Progress] = []
    killed: list[int] = []
    known: set[int] = set()

    def kill(point: Progress) -> None:
        seen.append(point)
        ranks = sorted(ranks_of(os.getpid()))
        if len(killed) < 2 and len(ranks) == 2 and known.isdisjoint(ranks):
            known.update(ranks)
            killed.append(ranks[len(killed)])
            os.kill(killed[-1], signal.SIGKILL)

    together = take(_fit(split, 2, kill, more=[long]))
    assert_same(alone, together)
    assert len(killed) == 2
    assert {point.stage for point in seen} == {"fit", "refit"}
    epochs = alone[2]["epochs_run"] + alone[2]["best_epoch"]
    assert together[2]["ranks"] == 2
    assert together[2]["bytes_sent"] == 40 * (5 + 1) * 4 * epochs
    assert not list((split[0].root / "work").iterdir())
    assert not family_of(os.getpid())


@pytest.mark.parametrize("size", [2, 3, 8])
def test_any_number_of_ranks_fits_the_same_weights(
    planted_split: Callable[..., Split], tmp_path: Path, size: int
) -> None:
    split = planted_split()
    alone = take(_fit(split, 1))
    together = take(_fit_on_threads(split, tmp_path / "ranks", size))
    assert_same(alone, together)
    assert together[2]["valid_rmse"] == alone[2]["valid_rmse"]
    epochs = alone[2]["epochs_run"] + alone[2]["best_epoch"]
    assert together[2]["bytes_sent"] == 40 * (5 + 1) * 4 * epochs


@pytest.mark.parametrize("shift", [0, 8, 56])
def test_movies_of_ranks_are_whole_when_only_one_diagonal_has_rows(shift: int) -> None:
    users = np.arange(64, dtype=np.int32)
    ratings = np.tile(np.array([1, 5, 4, 2], np.float32), 16)
    rows = EncodedRatings(users, (users + np.int32(shift)) % np.int32(64), ratings)

    def fit(ranks: Ranks) -> np.ndarray:
        counts = np.ones(64, np.int64), np.ones(64, np.int64)
        ring = Ring(ranks, Cut.of(counts))
        own = EncodedRatings(*(column[ring.users] for column in (rows.users, rows.movies, rows.ratings)))
        problem = Problem(own, rows, users=64, movies=64, scale=(1, 5), device="cpu", threads=1)
        problem = replace(problem, given=Totals(np.float32(np.mean(ratings) / problem.unit), counts))
        settings = read_settings(assignments=SETTINGS).resolved()
        engine = make_engine(problem, settings, ranks)
        done = 0
        for step in engine.run_epoch(1):
            done += step.rows
            if done == len(rows):
                engine.valid_rmse()
        return engine.weights()["movie_factors"]

    shared = SharedByThreads(2)
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(lambda rank: fit(RankThread(rank, shared)), range(2)))
    np.testing.assert_array_equal(np.concatenate(halves), fit(ALONE))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["train.method=gibbs"], "sums over all users"),
        (["train.method=adagrad"], "all tables"),
        (["model.name=mlp"], "all tables"),
    ],
)
def test_a_method_of_one_process_refuses_ranks(settings: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"train\.ranks=2 .*{reason}.* Set train\.ranks=1"):
        read_settings(assignments=[*settings, "train.ranks=2"])


def test_more_ranks_than_groups_of_users_are_refused(planted_split: Callable[..., Split]) -> None:
    with pytest.raises(ConfigError, match=r"train\.ranks is 9.* 8 groups.*8 or less"):
        _fit(planted_split(), 9)


def test_ranks_change_no_digest_and_are_written_only_if_chosen(planted_split: Callable[..., Split]) -> None:
    split = planted_split()
    digests = {
        train.plan(*split, settings=read_settings(assignments=more)).digest
        for more in ([], ["train.ranks=2", "train.device=cpu"])
    }
    assert len(digests) == 1
    assert "ranks" not in read_settings().resolved().written().model_dump(exclude_unset=True)["train"]


def test_a_stopped_fit_leaves_no_rank_and_is_continued_by_any_number(
    planted_split: Callable[..., Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", np.inf)  # a checkpoint after each epoch
    split = planted_split()
    alone = take(_fit(split, 1))
    for number, (before, after) in enumerate(((1, 3), (3, 1))):
        with pytest.raises((KilledError, BrokenBarrierError)):
            _fit_on_threads(split, tmp_path / f"killed{number}", before, kill_in=2)
        seen: list[Progress] = []
        continued = _fit_on_threads(split, tmp_path / f"whole{number}", after, listener=seen.append)
        assert_same(alone, take(continued))
        assert seen[0].epoch == 2, "the first epoch is not fitted again"
        shutil.rmtree(split[0].root / "work")
