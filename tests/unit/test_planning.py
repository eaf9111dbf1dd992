"""What a run would take: formulas follow the sizes and the code, and what does not fit is named with remedies."""

import json

import numpy as np
import pytest
from planned import GB, RATES, SECONDS, plan, step_of

from matinee.errors import ConfigError
from matinee.pipeline.planning import RunForecast, calibration, check_size, forecast
from matinee.pipeline.planning.calibration import FarSize, Samples, SampleSize, measure_rates
from matinee.pipeline.planning.fit_cost import fit_key
from matinee.pipeline.planning.rank_cost import RankFit
from matinee.pipeline.planning.rates import this_machine
from matinee.pipeline.planning.workload import Workload
from matinee.settings import RankSettings, Settings
from matinee.settings.parse import read_settings
from matinee.train.ranking.fit import _usual_rank
from matinee.train.ranking.krylov import KrylovSpace


@pytest.mark.parametrize(
    "larger",
    [{"ratings": 2 * 10**7}, {"users": 100_000}, {"movies": 30_000}, {"ratings": 10**9, "users": 5 * 10**6}],
)
def test_a_larger_run_takes_no_less(larger: dict[str, int]) -> None:
    small, large = plan(), plan(**larger)
    # More users with as many ratings have fewer pairs of ratings. The temporal holdout takes a share of the users.
    exempt = {"rank", "evaluate"} if "users" in larger else {"evaluate"}
    seconds = [sum(step.seconds for step in each.steps if step.step not in exempt) for each in (small, large)]
    assert seconds[1] > seconds[0]
    assert large.seconds > small.seconds or "users" in larger
    assert large.peak >= small.peak
    assert large.disk > small.disk
    for before, after in zip(small.steps, large.steps, strict=True):
        assert after.seconds >= before.seconds or after.step in exempt
        # With more than 10,000 movies, the vectors of the ranking model are shorter.
        assert after.memory >= before.memory or after.step in {
            "evaluate",
            "rank" if "movies" in larger else "",
        }


def test_more_cores_are_not_slower_and_serial_steps_stay() -> None:
    two, many = plan(), plan(cores=64)
    seconds = [{step.step: step.seconds for step in each.steps} for each in (two, many)]
    assert many.seconds < two.seconds
    assert all(seconds[1][step] <= seconds[0][step] for step in seconds[0])
    assert seconds[1]["split"] == seconds[0]["split"]
    assert [step.memory for step in many.steps] == [step.memory for step in two.steps]


def test_hosts_share_the_fit_and_each_sends_the_movies_once_per_epoch() -> None:
    alone, shared = plan(10**9, 5 * 10**6, 10**5), plan(10**9, 5 * 10**6, 10**5, hosts=8)
    train = {
        each.hosts: next(step for step in each.steps if step.step == "train") for each in (alone, shared)
    }
    assert train[8].seconds < train[1].seconds / 3
    assert train[8].memory < train[1].memory / 3
    assert (train[1].network, train[8].network) == (0, 10**5 * (32 + 1) * 4 * 20 * 2)
    others = [[step for step in each.steps if step.step != "train"] for each in (alone, shared)]
    assert others[0] == others[1]


@pytest.mark.parametrize("movies", [40, 900, 10_001, 100_001])
@pytest.mark.parametrize("chosen", [{}, {"rank": 24}, {"iterations": 2}])
def test_the_ranking_model_is_planned_with_the_columns_that_it_has(
    movies: int, chosen: dict[str, int]
) -> None:
    settings = RankSettings(**chosen)
    fit = RankFit(users=10**6, movies=movies, rows=10**8, settings=settings)
    assert fit.rank == min(settings.rank or _usual_rank(movies), movies)
    space = KrylovSpace(np.ones(movies, np.bool_), rank=fit.rank, iterations=settings.iterations, seed=0)
    assert (fit.width, fit.block) == (space.width, space._block)


def test_the_way_to_solve_the_equations_follows_the_sizes() -> None:
    kinds = {}
    for users, movies in ((10**6, 10**4), (10**4, 10**6), (10**6, 10**6)):
        fit = RankFit(users, movies, 10**8, RankSettings())
        kinds[fit.method] = {part.rate for part in fit.parts()}
    assert kinds["movies"] >= {"movie_pair", "factor_flop", "solve_flop"}
    assert kinds["users"] >= {"user_pair", "factor_flop", "solve_flop", "product_cell"}
    assert kinds["gradients"] == {"group_row", "product_cell"}


def test_what_does_not_fit_has_one_remedy_whose_settings_together_make_it_fit() -> None:
    size = {"ratings": 3 * 10**7, "users": 330_000, "movies": 40_000}
    several = 0
    for memory in (3 * GB, 2 * GB):
        (remedy,) = step_of(plan(**size, memory=memory), "rank").remedies
        again = step_of(
            plan(**size, memory=memory, settings=read_settings(assignments=remedy.settings)), "rank"
        )
        assert remedy.fits
        assert again.fits
        assert (remedy.memory, remedy.seconds) == (again.memory, again.seconds)
        for left_out in remedy.settings:
            fewer = [each for each in remedy.settings if each != left_out]
            assert not step_of(
                plan(**size, memory=memory, settings=read_settings(assignments=fewer)), "rank"
            ).fits
        several += len(remedy.settings) > 1
    assert several


def test_where_nothing_is_enough_the_settings_that_need_the_least_are_named_with_a_host_that_is() -> None:
    size = {"ratings": 3 * 10**7, "users": 330_000, "movies": 40_000}
    (remedy,) = step_of(plan(**size, memory=19 * GB // 10), "rank").remedies
    least = read_settings(assignments=remedy.settings)
    assert not remedy.fits
    assert remedy.memory < step_of(plan(**size), "rank").memory
    assert step_of(plan(**size, memory=remedy.host_memory, settings=least), "rank").fits
    assert not step_of(plan(**size, memory=remedy.host_memory - GB // 5, settings=least), "rank").fits
    (ingest,) = step_of(plan(10**10, 5 * 10**8, 10**6, memory=16 * GB), "ingest").remedies
    assert (ingest.settings, ingest.fits) == ([], False)


def test_more_hosts_are_a_remedy_of_the_fit_that_ranks_share() -> None:
    size = {"ratings": 2 * 10**9, "users": 2 * 10**7, "movies": 200_000}
    remedy = step_of(plan(**size, memory=24 * GB), "train").remedies[-1]
    assert (remedy.settings, remedy.fits) == ([], True)
    assert step_of(plan(**size, memory=24 * GB, hosts=remedy.hosts), "train").fits
    assert not step_of(plan(**size, memory=24 * GB, hosts=remedy.hosts - 1), "train").fits


def test_a_remedy_says_what_another_method_gives_up() -> None:
    accurate = read_settings(preset="accurate")
    (remedy,) = step_of(plan(10**8, 2 * 10**6, 10**5, settings=accurate, memory=6 * GB), "train").remedies
    assert "train.method=sgd" in remedy.settings
    assert any("preset fast" in each for each in remedy.gives_up)
    assert not any(each.startswith("train.sampler_rank") for each in remedy.settings)  # sgd has none


@pytest.mark.parametrize("model", ["linear", "mlp", "neumf"])
def test_smaller_vectors_of_a_neural_model_take_the_time_of_those_that_were_measured(model: str) -> None:
    chosen = read_settings(assignments=[f"model.name={model}"])
    rates = RATES.model_copy(update={"seconds": SECONDS | {fit_key(chosen.resolved()): 1e-6}})
    size = {"ratings": 10**7, "users": 10**7, "movies": 10**6}
    found = forecast(rates, chosen, **size, cores=2, memory=5 * GB)
    (remedy,) = step_of(found, "train").remedies
    assert remedy.settings == ["model.embedding_size=16"]
    assert remedy.memory < step_of(found, "train").memory


def test_a_rank_holds_all_valid_rows_and_the_counts_of_all_users() -> None:
    few, many = plan(10**9, 5 * 10**6, 10**5, hosts=32), plan(10**9, 5 * 10**7, 10**5, hosts=32)
    process, slack = 55 * 10**7, 1.1
    assert step_of(few, "train").memory > process + slack * (12 * 0.045 * 10**9 + 20 * 5 * 10**6)
    # The first rank joins the tables of all users: two copies of 33 numbers.
    more = step_of(many, "train").memory - step_of(few, "train").memory
    assert more > slack * 45 * 10**6 * 20


@pytest.mark.parametrize(
    ("assignments", "ratings", "hosts", "says"),
    [
        ([], 10**7, 33, "32 hosts or fewer"),
        ([], 10**6, 9, "8 groups of users"),
        (["ingest.feedback=implicit"], 10**7, 2, "plays have no rating model"),
        (["train.device=cuda"], 10**7, 2, "train.device=cpu"),
        (["split.strategy=given"], 10**7, 1, "a plan knows no file"),
    ],
)
def test_hosts_that_the_fit_refuses_are_refused(
    assignments: list[str], ratings: int, hosts: int, says: str
) -> None:
    settings = read_settings(assignments=assignments)
    with pytest.raises(ConfigError, match=says):
        check_size(settings, ratings=ratings, users=5_000, movies=5_000, hosts=hosts)
    check_size(Settings(), ratings=ratings, users=5_000, movies=100_000, hosts=8)


def test_only_users_with_more_than_twice_n_rows_have_rows_held_out() -> None:
    def held_out(n: int) -> float:
        chosen = read_settings(assignments=["split.strategy=last_n", f"split.last_n={n}"])
        work = Workload(10**6, 10_000, 3_000, chosen.resolved())
        return work.test_rows / (10_000 * n)

    assert held_out(1) > 0.97
    assert 0.2 < held_out(30) < 0.5  # the median user has about 60 of 100 rows on average
    assert held_out(500) < 0.02


def test_settings_decide_which_steps_there_are() -> None:
    usual = ["start", "ingest", "split", "train", "rank", "evaluate", "publish"]
    assert [step.step for step in plan().steps] == usual
    plays = read_settings(assignments=["ingest.feedback=implicit"])
    assert [step.step for step in plan(settings=plays).steps] == [step for step in usual if step != "train"]
    refit = plan(settings=read_settings(assignments=["train.refit=all"]))
    assert [step.step for step in refit.steps] == [*usual[:-1], "refit", "refit_ranking", "publish"]
    once = plan(settings=read_settings(assignments=["train.refit=none"]))
    train = [
        next(step for step in each.steps if step.step == "train").seconds for each in (once, plan(), refit)
    ]
    assert train[0] < 0.6 * train[1]
    accurate = read_settings(preset="accurate")
    assert fit_key(accurate.resolved()) == "fit gibbs"
    assert plan(settings=accurate).seconds > plan().seconds


def test_plays_have_no_rating_model_in_any_step() -> None:
    plays, ratings = plan(settings=read_settings(assignments=["ingest.feedback=implicit"])), plan()
    for step in ("publish", "evaluate"):
        assert step_of(plays, step).memory < step_of(ratings, step).memory
    vectors = 4 * (50_000 + 8_000) * 33
    assert step_of(ratings, "publish").disk - step_of(plays, "publish").disk == vectors


def test_a_plan_says_how_it_differs_from_those_that_were_compared_with_runs() -> None:
    assert plan().not_compared == []
    other = plan(2 * 10**8, 10**6, cores=8, settings=read_settings(preset="accurate"))
    assert other.not_compared == ["200,000,000 ratings", "train.method=gibbs", "8 cores"]


def test_a_forecast_is_written_as_json_and_read_again() -> None:
    found = plan(memory=GB)
    assert RunForecast.model_validate_json(json.dumps(found.model_dump())) == found


def test_a_tiny_calibration_has_all_rates_that_a_plan_needs(
    kernels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "_IMPORTS", "pass")
    samples = Samples(
        SampleSize(3_000, 60, 80),
        SampleSize(3_000, 60, 100),
        SampleSize(9_000, 180, 100),
        FarSize(9_000, 300, 90),
    )
    rates = measure_rates(Settings(), this_machine(), samples=samples)
    assert rates.seconds.keys() == SECONDS.keys() - {"fit gibbs"}
    assert min(rates.seconds.values()) > 0
    found = forecast(rates, Settings(), ratings=10**6, users=5_000, movies=3_000, cores=2, memory=GB)
    assert found.machine == this_machine()
    assert 0 < found.seconds < 3600
