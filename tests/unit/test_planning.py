"""What a run would take: formulas follow the sizes and the code, what does not fit is named, rates are kept."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matinee.cli.main import main
from matinee.pipeline.planning import Rates, RunForecast, calibration, forecast, known_rates
from matinee.pipeline.planning.calibration import FarSize, Samples, SampleSize, measure_rates
from matinee.pipeline.planning.fit_cost import fit_key
from matinee.pipeline.planning.rank_cost import RankFit
from matinee.pipeline.planning.rates import Machine, this_machine
from matinee.settings import RankSettings, Settings
from matinee.settings.parse import read_settings
from matinee.train.ranking.fit import _usual_rank
from matinee.train.ranking.krylov import KrylovSpace

GB = 10**9
# About those of two cores of 2021.
SECONDS = {
    "read_row": 3e-8, "level_row": 5e-9, "group_row": 5e-8, "block_row": 6e-8,
    "movie_pair": 4e-9, "user_pair": 3e-9, "factor_flop": 1.5e-11, "solve_flop": 2e-11, "product_cell": 3e-10,
    "list_cell": 1e-8, "list_user": 3e-5, "hashed_byte": 9e-10, "written_byte": 1e-9,
    "ingest_row": 3e-7, "split_row": 3e-7, "evaluate_row": 4e-7,
    "fit sgd": 7e-10, "fit sgd far": 2e-9, "fit gibbs": 1e-10,
}  # fmt: skip
RATES = Rates(
    measured="2026-01-01T00:00:00+00:00",
    machine=Machine(processor="test", cores=2, memory=16 * GB),
    start=8.0,
    seconds=SECONDS,
    fixed={"evaluate": 2.0, "publish": 1.0},
    disk_row={"ingest": 7.0, "split": 5.0},
)


def plan(
    ratings: int = 10**7, users: int = 50_000, movies: int = 8_000, *, settings: Settings | None = None,
    hosts: int = 1, cores: int = 2, memory: int = 64 * GB,
) -> RunForecast:  # fmt: skip
    return forecast(
        RATES,
        settings or Settings(),
        ratings=ratings,
        users=users,
        movies=movies,
        hosts=hosts,
        cores=cores,
        memory=memory,
    )


@pytest.mark.parametrize(
    "larger",
    [{"ratings": 2 * 10**7}, {"users": 100_000}, {"movies": 16_000}, {"ratings": 10**9, "users": 5 * 10**6}],
)
def test_a_larger_run_takes_no_less(larger: dict[str, int]) -> None:
    small, large = plan(), plan(**larger)
    assert large.seconds > small.seconds
    assert large.peak >= small.peak
    assert large.disk > small.disk
    for before, after in zip(small.steps, large.steps, strict=True):
        # More users with as many ratings have fewer pairs of ratings. The temporal holdout takes a share of the users.
        exempt = {"rank", "evaluate"} if "users" in larger else {"evaluate"}
        assert after.seconds >= before.seconds or after.step in exempt
        assert after.memory >= before.memory or after.step == "evaluate"


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


def test_what_does_not_fit_is_named_with_settings_with_which_it_does() -> None:
    found = plan(10**8, 480_000, 17_770, memory=9 * GB // 2)
    assert [step.step for step in found.steps if not step.fits] == ["rank"]
    rank = next(step for step in found.steps if step.step == "rank")
    assert not found.fits
    assert rank.remedies
    for remedy in rank.remedies:
        again = plan(
            10**8, 480_000, 17_770, memory=9 * GB // 2, settings=read_settings(assignments=remedy.settings)
        )
        assert again.fits
        assert remedy.memory == next(step.memory for step in again.steps if step.step == "rank") < 9 * GB // 2


def test_a_host_that_no_setting_makes_enough_has_no_remedy() -> None:
    found = plan(10**10, 5 * 10**8, 10**6, memory=16 * GB)
    too_large = {step.step: step.remedies for step in found.steps if not step.fits}
    assert too_large.keys() >= {"ingest", "rank", "publish"} - {"ingest"}
    assert too_large["publish"] == []


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


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[list[Machine], Callable[..., Rates]]:
    """The machines that were measured, and a measurement without work; with an empty cache folder."""
    monkeypatch.setenv("MATINEE_CACHE", str(tmp_path / "cache"))
    machines: list[Machine] = []

    def measure(settings: Settings, machine: Machine) -> Rates:
        machines.append(machine)
        return RATES.model_copy(update={"machine": machine})

    return machines, measure


def test_rates_are_kept_until_machine_or_method_change(
    measured: tuple[list[Machine], Callable[..., Rates]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machines, measure = measured
    first = known_rates(Settings(), measure=measure)
    same = read_settings(
        assignments=["gate.tolerance=1", "model.embedding_size=64"]
    )  # its work is in other formulas
    assert known_rates(same, measure=measure) == first
    assert len(machines) == 1
    known_rates(Settings(), measure=measure, again=True)
    known_rates(read_settings(preset="accurate"), measure=measure)
    assert len(machines) == 3
    other = this_machine().model_copy(update={"cores": 99})
    monkeypatch.setattr("matinee.pipeline.planning.rates.this_machine", lambda: other)
    assert known_rates(Settings(), measure=measure).machine.cores == 99
    for file in (tmp_path / "cache" / "rates").iterdir():
        file.write_text("{}", "utf-8")
    known_rates(Settings(), measure=measure)
    assert len(machines) == 5


def test_the_command_prints_the_steps_and_what_to_set(
    measured: tuple[list[Machine], Callable[..., Rates]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calibration, "measure_rates", measured[1])
    size = ["--ratings", "100000000", "--users", "480000", "--movies", "17770"]
    assert main(["plan", *size, "--memory", "4.5", "--cores", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "100,000,000 ratings" in lines[0]
    assert "4 cores and 4.5 GB" in lines[0]
    assert [line.split()[0] for line in lines[1:9]] == [
        "step", "start", "ingest", "split", "train", "rank", "evaluate", "publish",
    ]  # fmt: skip
    assert any(line.startswith("too large rank needs") for line in lines)
    assert any("--set rank.dense_mb=" in line for line in lines)
    assert main(["plan", *size, "--hosts", "4", "--memory", "64", "--json"]) == 0
    found = RunForecast.model_validate_json(capsys.readouterr().out.splitlines()[-1])
    assert (found.hosts, found.fits, found.network > 0) == (4, True, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--ratings", "100", "--users", "5", "--movies", "5"], "expected 5 to 25 ratings"),
        (["--ratings", "100", "--users", "500", "--movies", "5"], "expected 500 to 2,500 ratings"),
        (["--ratings", "20", "--users", "5", "--movies", "5", "--memory", "0"], "expected more than 0"),
        (["--ratings", "0", "--users", "5", "--movies", "5"], "expected a whole number of 1 or more"),
    ],
)
def test_sizes_that_no_data_has_are_refused(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *words]) == 2
    assert says in capsys.readouterr().err
